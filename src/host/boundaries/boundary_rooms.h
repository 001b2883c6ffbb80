#pragma once

#include <memory>

#include "host/boundaries/allowance.h"
#include "host/boundaries/compiled_runtime.h"
#include "host/boundaries/container_room.h"
#include "host/boundaries/sandbox_proxy.h"
#include "host/boundaries/sandbox_room.h"
#include "host/workers/zygote_start.h"

namespace pyember::host {

class EventLoop;

// Every kind of room behind a boundary that a server has. Loop's thread; the loop outlives it.
class BoundaryRooms final : public BoundaryStarter {
 public:
  struct Settings {
    SandboxSettings sandbox;
    Result<ContainerSettings> container;  // whose bounds hold for sandboxes too
    Allowance allowed;                    // in all of them
  };
  BoundaryRooms(EventLoop& loop, Settings settings);

  Result<StartedZygote> start(const WorkerPlace& place, const WorkerLimits& limits) override;
  WorkerLimits limits(Boundary boundary) const override;
  // Removes what the rooms had, all of which have ended; none can be started from here on. For the
  // end of the program, when the loop that would do it turns no more.
  void end();
  const Settings& settings() const { return settings_; }
  ContainerRooms& containers() { return containers_; }

 private:
  EventLoop& loop_;
  Settings settings_;
  const std::unique_ptr<SandboxProxy> proxy_;  // null: there are no allowed hosts
  ContainerRooms containers_;
  CompiledRuntime compiled_;
};

}  // namespace pyember::host
