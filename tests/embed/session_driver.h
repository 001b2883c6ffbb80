#pragma once

#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "embed/runtime.h"

// Drives an in-process session as the host does, but waiting: for tests that look at one cell after
// the other.
namespace pyember::test {

using embed::CellNumber;
using embed::CellOutcome;

// The process's one runtime, made on first use.
embed::Runtime& runtime();

class SessionDriver final : public embed::SessionListener {
 public:
  struct Answer {
    CellOutcome outcome;
    std::string output;
    std::string errors;
  };

  explicit SessionDriver(std::string name = "test", std::string directory = "/tmp")
      : session_(runtime().open_session({std::move(name), std::move(directory)}, *this)) {}
  explicit SessionDriver(embed::SessionOptions options)
      : session_(runtime().open_session(std::move(options), *this)) {}

  // Runs one cell and waits for its end; fails the test's process after a generous time.
  Answer run(const std::string& code,
             std::chrono::milliseconds timeout = std::chrono::seconds(60)) {
    const CellNumber number = submit(code, timeout);
    return wait(number);
  }

  CellNumber submit(const std::string& code,
                    std::chrono::milliseconds timeout = std::chrono::seconds(60)) {
    session_->submit({++last_, code, timeout});
    return last_;
  }

  // Writes the session's state to `path`, or reads it from there.
  Answer carry(embed::CellKind kind, const std::string& path,
               std::chrono::milliseconds timeout = std::chrono::seconds(60)) {
    session_->submit({++last_, path, timeout, kind});
    return wait(last_);
  }

  Answer wait(CellNumber number) {
    Answer answer;
    std::unique_lock lock(mutex_);
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(100);
    for (;;) {
      read_pipes(lock);
      if (!finished_.empty() && finished_.front().number == number) break;
      if (!lost_.empty()) throw std::runtime_error("the session was lost: " + lost_);
      if (std::chrono::steady_clock::now() > give_up) throw std::runtime_error("no answer");
      changed_.wait_for(lock, std::chrono::milliseconds(1));
    }
    answer.outcome = std::move(finished_.front().outcome);
    finished_.pop_front();
    read_pipes(lock);
    answer.output = std::exchange(output_, {});
    answer.errors = std::exchange(errors_, {});
    lock.unlock();
    session_->output_drained(number);
    return answer;
  }

  embed::Session& session() { return *session_; }
  void close() { session_.reset(); }

  std::vector<embed::NameInfo> names() {
    session_->inspect(7);
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return names_ready_; });
    return names_;
  }

  void reset() {
    session_->reset(8);
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return reset_ || !lost_.empty(); });
  }

  // Why the session is lost; waits for it, because it is told after the cell's end.
  std::string wait_until_lost() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(30), [this] { return !lost_.empty(); });
    return lost_;
  }

  void cell_finished(CellNumber number, CellOutcome outcome, bool) noexcept override {
    const std::lock_guard lock(mutex_);
    finished_.push_back({number, std::move(outcome)});
    changed_.notify_all();
  }
  void names_ready(std::uint64_t, std::vector<embed::NameInfo> names) noexcept override {
    const std::lock_guard lock(mutex_);
    names_ = std::move(names);
    names_ready_ = true;
    changed_.notify_all();
  }
  void reset_finished(std::uint64_t) noexcept override {
    const std::lock_guard lock(mutex_);
    reset_ = true;
    changed_.notify_all();
  }
  void session_lost(std::string reason) noexcept override {
    const std::lock_guard lock(mutex_);
    lost_ = std::move(reason);
    changed_.notify_all();
  }

 private:
  struct Finished {
    CellNumber number;
    CellOutcome outcome;
  };

  // Without the lock: a listener call must not wait for a read.
  void read_pipes(std::unique_lock<std::mutex>& lock) {
    lock.unlock();
    session_->reading_output(true);
    drain(session_->stdout_fd(), output_);
    drain(session_->stderr_fd(), errors_);
    session_->reading_output(false);
    lock.lock();
  }
  static void drain(int descriptor, std::string& into) {
    char bytes[65536];
    for (ssize_t got; (got = ::read(descriptor, bytes, sizeof bytes)) > 0;) {
      into.append(bytes, static_cast<std::size_t>(got));
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Finished> finished_;
  std::string output_;
  std::string errors_;
  std::string lost_;
  std::vector<embed::NameInfo> names_;
  bool names_ready_ = false;
  bool reset_ = false;
  CellNumber last_ = 0;
  std::unique_ptr<embed::Session> session_;
};

}  // namespace pyember::test
