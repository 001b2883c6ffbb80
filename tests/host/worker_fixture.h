#pragma once

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/workers/workers.h"
#include "loop_fixture.h"

namespace pyember::host {

// A worker session and all it told; reads its pipes as the server does.
class HeardSession final : public embed::SessionListener {
 public:
  struct Ended {
    embed::CellNumber number;
    embed::CellOutcome outcome;
    bool has_output;
  };

  HeardSession(LoopFixture& loop, Workers& workers, const WorkerPlace& place,
               const WorkerLimits& limits = {}, embed::SessionOptions options = {"test", "/"})
      : loop_(loop), session_(workers.open_session(place, limits, std::move(options), *this)) {}
  using Open = std::function<std::unique_ptr<embed::Session>(embed::SessionListener&)>;
  HeardSession(LoopFixture& loop, const Open& open) : loop_(loop), session_(open(*this)) {}

  embed::Session& session() { return *session_; }
  WorkerSession& worker() { return dynamic_cast<WorkerSession&>(*session_); }
  void close() { session_.reset(); }

  void submit(const std::string& code,
              std::chrono::milliseconds timeout = std::chrono::seconds(60)) {
    session_->submit({next_++, code, timeout});
  }

  // Waits for the end of one more cell than have ended; null when it does not come.
  Ended* next() {
    const std::size_t count = ended.size() + 1;
    return loop_.until([&] { return ended.size() >= count; }) ? &ended.back() : nullptr;
  }
  Ended* run(const std::string& code,
             std::chrono::milliseconds timeout = std::chrono::seconds(60)) {
    submit(code, timeout);
    return next();
  }

  std::vector<Ended> ended;
  std::vector<std::string> lost;
  std::vector<std::uint64_t> resets;
  std::vector<std::pair<std::uint64_t, std::vector<embed::NameInfo>>> names;
  std::string output;
  std::string errors;
  bool holds_output = false;  // does not read what cells print

 private:
  void cell_finished(embed::CellNumber number, embed::CellOutcome outcome,
                     bool has_output) noexcept override {
    ended.push_back({number, std::move(outcome), has_output});
    if (!has_output || holds_output) return;
    // As the link does it: in a later turn.
    loop_.poster.post([this, number] {
      if (session_) drain(number);
    });
  }
  void names_ready(std::uint64_t ticket, std::vector<embed::NameInfo> told) noexcept override {
    names.emplace_back(ticket, std::move(told));
  }
  void reset_finished(std::uint64_t ticket) noexcept override { resets.push_back(ticket); }
  void session_lost(std::string reason) noexcept override { lost.push_back(std::move(reason)); }

  void drain(embed::CellNumber number) {
    read_all(session_->stdout_fd(), output);
    read_all(session_->stderr_fd(), errors);
    session_->output_drained(number);
  }
  static void read_all(int fd, std::string& into) {
    std::vector<char> chunk(64u << 10);
    for (;;) {
      const ssize_t n = read(fd, chunk.data(), chunk.size());
      if (n <= 0) return;
      into.append(chunk.data(), static_cast<std::size_t>(n));
    }
  }

  LoopFixture& loop_;
  embed::CellNumber next_ = 1;
  std::unique_ptr<embed::Session> session_;
};

inline std::size_t entries_of(const char* folder) {
  std::size_t count = 0;
  DIR* opened = opendir(folder);
  if (opened == nullptr) return 0;
  while (readdir(opened) != nullptr) ++count;
  closedir(opened);
  return count;
}
inline std::size_t open_descriptors() { return entries_of("/proc/self/fd"); }

inline bool says(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

// Neither lives nor waits to be reaped.
inline bool is_no_more(pid_t pid) {
  return access(("/proc/" + std::to_string(pid)).c_str(), F_OK) != 0;
}

}  // namespace pyember::host
