#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "host/boundaries/sandbox_plan.h"
#include "host/boundaries/sandbox_proxy.h"
#include "host/workers/zygote_start.h"

namespace pyember::host {

class EventLoop;

struct SandboxSettings {
  std::string runtime_directory;  // holds the package mcp_runtime
  std::string bundled_directory;
  std::string folders;  // below it each sandbox gets a folder for what is brought to it
  std::uint64_t memory_bytes = limits::kBoundaryMemoryBytes;  // of everything in a sandbox together
  std::uint64_t processes = limits::kBoundaryProcesses;
  SandboxPlan allowed;               // paths and sockets that every sandbox sees besides
  bool falls_back_to_fence = false;  // where there are no sandboxes; else that is an error
  SandboxProxy* proxy = nullptr;  // the way to allowed hosts, if there are any; outlives the rooms
};

// Starts a zygote in a sandbox of its own (bubblewrap.h says what that is), or behind a fence.
// Loop's thread; the loop outlives its room.
Result<StartedZygote> start_in_sandbox(EventLoop& loop, const SandboxSettings& settings,
                                       const WorkerPlace& place, const WorkerLimits& limits);

}  // namespace pyember::host
