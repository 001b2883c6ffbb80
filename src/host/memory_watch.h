#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace pyember::host {

// How much memory the machine has left, and how much of it is ours.
struct MemoryReading {
  std::int64_t available_bytes = -1;  // -1: unknown
  std::int64_t total_bytes = -1;
  std::int64_t own_bytes = -1;  // resident in this process
};

// Keeps the machine from running out because of memory that session code takes past CPython's
// allocators, which no budget counts: when little is left and much of it is ours, the largest
// session is to be stopped. Loop's thread only.
class MemoryWatch {
 public:
  using Reader = std::function<MemoryReading()>;

  explicit MemoryWatch(Reader reader) : reader_(std::move(reader)) {}

  // Whether a session must be stopped now, and why; empty: no. Says so at most once in
  // limits::kMemoryStopPause, because memory takes a moment to come back, and not again while what
  // is left neither recovers nor shrinks: what a stopped session took past every allocator of ours
  // may never come back, and the others must not be stopped one after the other for it.
  std::string look(std::uint64_t now_ns);

 private:
  Reader reader_;
  std::uint64_t stopped_at_ns_ = 0;
  std::int64_t left_when_stopped_ = -1;  // -1: memory has recovered since, or nothing was stopped
};

// Linux: /proc/meminfo, the cgroup's limit when it is lower, and /proc/self/statm. Elsewhere
// nothing is known.
MemoryReading read_memory();

}  // namespace pyember::host
