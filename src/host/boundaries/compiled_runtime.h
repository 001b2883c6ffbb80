#pragma once

#include <set>
#include <string>

#include "host/workers/worker_place.h"

namespace pyember::host {

class EventLoop;

// Python keeps what it compiles beside the source, but not from within a sandbox, which sees the
// runtime read-only: as long as no worker without walls has done it, each sandbox compiles all of
// the runtime again, 0.2 s. So the first sandbox of a Python has it done, in a process beside,
// where it was not done yet. That folder may be another user's: then sandboxes are as slow as they
// are.
class CompiledRuntime {
 public:
  // `directory` holds the package mcp_runtime. Loop's thread; the loop outlives it.
  CompiledRuntime(EventLoop& loop, std::string directory);

  // Once for each Python; returns at once.
  void have(const WorkerPlace& place);

 private:
  EventLoop& loop_;
  const std::string directory_;
  std::set<std::string> seen_;  // Pythons
};

}  // namespace pyember::host
