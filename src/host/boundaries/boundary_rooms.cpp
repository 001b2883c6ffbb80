#include "host/boundaries/boundary_rooms.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "host/boundaries/boundary_folder.h"

namespace pyember::host {

namespace {

void show(const std::vector<AllowedPath>& paths, SandboxPlan& plan) {
  for (const AllowedPath& each : paths) {
    (each.writable ? plan.read_write : plan.read_only).push_back({each.outside, each.inside});
  }
}

std::unique_ptr<SandboxProxy> make_proxy(EventLoop& loop, const BoundaryRooms::Settings& settings) {
  if (settings.allowed.hosts.empty()) return nullptr;
  return std::make_unique<SandboxProxy>(
      loop, SandboxProxy::Settings{PYEMBER_PYTHON_EXECUTABLE, settings.sandbox.runtime_directory,
                                   settings.sandbox.folders, settings.allowed.hosts});
}

}  // namespace

BoundaryRooms::BoundaryRooms(EventLoop& loop, Settings settings)
    : loop_(loop),
      settings_(std::move(settings)),
      proxy_(make_proxy(loop, settings_)),
      containers_(loop, {settings_.container,
                         settings_.sandbox.runtime_directory,
                         settings_.sandbox.bundled_directory,
                         settings_.sandbox.folders,
                         {},
                         settings_.allowed,
                         proxy_.get()}),
      compiled_(loop, settings_.sandbox.runtime_directory) {
  if (settings_.container) {
    settings_.sandbox.memory_bytes = settings_.container.value().memory_bytes;
    settings_.sandbox.processes = settings_.container.value().processes;
  }
  SandboxSettings& sandbox = settings_.sandbox;
  show(settings_.allowed.paths, sandbox.allowed);
  sandbox.proxy = proxy_.get();
  sandbox.allowed.environment = proxy_environment(settings_.allowed.hosts);
}

Result<StartedZygote> BoundaryRooms::start(const WorkerPlace& place, const WorkerLimits& wanted) {
  // What the zygote takes is on top of a session's limits, and within the room's.
  WorkerLimits limits = this->limits(place.boundary);
  const auto lower = [](auto& most, const auto& wish, std::uint64_t extra) {
    if (wish) most = std::min(*most, *wish + extra);
  };
  lower(limits.memory_bytes, wanted.memory_bytes, limits::kZygoteMemory);
  lower(limits.processes, wanted.processes, limits::kZygoteProcesses);
  if (place.boundary == Boundary::Container) return containers_.start(place, limits);
  if (!settings_.container) return settings_.container.error();
  Result<StartedZygote> started = start_in_sandbox(loop_, settings_.sandbox, place, limits);
  if (started) compiled_.have(place);
  return started;
}

WorkerLimits BoundaryRooms::limits(Boundary) const {
  WorkerLimits limits;
  limits.memory_bytes = settings_.sandbox.memory_bytes;
  limits.processes = settings_.sandbox.processes;
  return limits;
}

void BoundaryRooms::end() {
  if (proxy_) proxy_->end();
  remove_boundary_folders(settings_.sandbox.folders);
}

}  // namespace pyember::host
