#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/control_group.h"
#include "host/workers/worker_place.h"

namespace pyember::host {

class EventLoop;

// The control groups of one worker, where the kernel's may be written to: they count memory and
// processes of the worker and of everything it starts together, as setrlimit can't. Made before the
// worker, which enters them itself; removed when all of that has ended. Loop's thread only.
class WorkerGroups {
 public:
  WorkerGroups(EventLoop& loop, const WorkerLimits& limits);
  ~WorkerGroups();  // never waits: what is still in use is removed on a thread of the pool

  // Folders; empty where there is no group.
  std::string memory_path() const { return memory_ ? memory_->path() : std::string(); }
  std::string processes_path() const { return processes_ ? processes_->path() : std::string(); }
  // Processes that the kernel has killed in it, for memory.
  std::uint64_t memory_kills() const { return memory_ ? memory_->hits() : 0; }

  // Removes what is left over, by us or by servers that were killed; whether none of ours is left.
  // Before the end of the program.
  static bool remove_left_over();

 private:
  EventLoop& loop_;
  std::unique_ptr<ControlGroup> memory_;
  std::unique_ptr<ControlGroup> processes_;
};

}  // namespace pyember::host
