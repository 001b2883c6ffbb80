#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "host/boundaries/allowance.h"
#include "host/boundaries/container_orphans.h"
#include "host/boundaries/container_pull.h"
#include "host/boundaries/container_settings.h"
#include "host/boundaries/containers.h"
#include "host/boundaries/sandbox_proxy.h"
#include "host/loop/uv_handle.h"
#include "host/workers/zygote_start.h"

namespace pyember::host {

class EventLoop;

// Starts zygotes in containers of podman's or docker's, one each. The runtime is looked for at the
// first use; orphans of servers that are gone are removed a while later, when the first session has
// begun. Loop's thread; the loop outlives it, and it its rooms.
class ContainerRooms {
 public:
  struct Settings {
    Result<ContainerSettings> container;  // what could not be read is told when one is wanted
    std::string runtime_directory;        // holds the package mcp_runtime
    std::string bundled_directory;
    std::string folders;  // below it each container gets one for what is brought to it
    std::vector<std::string> read_only = {};  // of the machine's, in every container
    Allowance allowed = {};
    SandboxProxy* proxy =
        nullptr;  // the way to allowed hosts, if there are any; outlives the rooms
  };
  ContainerRooms(EventLoop& loop, Settings settings);

  Result<StartedZygote> start(const WorkerPlace& place, const WorkerLimits& limits);
  // For containers of others than zygotes (enclosure.h).
  Result<ContainerRuntime> runtime();

 private:
  void remove_orphans(const ContainerRuntime& runtime);

  EventLoop& loop_;
  const Settings settings_;
  std::uint64_t started_ = 0;
  std::unique_ptr<ContainerPull> pull_;  // once a runtime was found
  std::unique_ptr<Timer> orphans_look_;
  std::unique_ptr<ContainerOrphans> orphans_;
};

}  // namespace pyember::host
