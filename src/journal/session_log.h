#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pyember::journal {

struct Layout;

// A session that was open when a server died.
struct KeptSession {
  std::string name;
  std::uint64_t next_number = 1;  // of its cells
  std::string owner = {};         // as it was given to open()
};

// Which sessions are open, and how far each has counted its cells: the next server can say what is
// gone, and gives no number a second time. Loop's thread only.
class SessionLog {
 public:
  explicit SessionLog(Layout& layout) : layout_(layout) {}

  // The entry of a new session; -1 when there is no room, and it will not be known. `owner` tells
  // sessions of one name apart: at most 32 bytes.
  int open(std::string_view name, std::uint64_t next_number, std::string_view owner = {});
  // One store; nothing for an entry of -1.
  void count(int entry, std::uint64_t next_number);
  void close(int entry);
  // Sessions that end from now on end with the server: they stay known to the next one.
  void seal() { sealed_ = true; }

  // For the next server: what the one before had open. The entries are free then.
  std::vector<KeptSession> recover();

 private:
  Layout& layout_;
  bool sealed_ = false;
};

// The entry of one session, as long as this lives. Outlived by the log.
class SessionEntry {
 public:
  SessionEntry() = default;
  // Without a log nothing is noted.
  SessionEntry(SessionLog* log, std::string_view name, std::uint64_t next_number,
               std::string_view owner = {})
      : log_(log), entry_(log != nullptr ? log->open(name, next_number, owner) : -1) {}
  SessionEntry(SessionEntry&& other) noexcept
      : log_(std::exchange(other.log_, nullptr)), entry_(other.entry_) {}
  SessionEntry& operator=(SessionEntry&& other) noexcept {
    std::swap(log_, other.log_);
    std::swap(entry_, other.entry_);
    return *this;
  }
  ~SessionEntry() {
    if (log_ != nullptr) log_->close(entry_);
  }

  void count(std::uint64_t next_number) {
    if (log_ != nullptr) log_->count(entry_, next_number);
  }

 private:
  SessionLog* log_ = nullptr;
  int entry_ = -1;
};

}  // namespace pyember::journal
