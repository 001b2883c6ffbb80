#include "host/boundaries/sandbox_room.h"

#include <memory>
#include <utility>

#include "host/boundaries/boundary_folder.h"
#include "host/boundaries/brought_packages.h"
#include "host/boundaries/bubblewrap.h"
#include "host/boundaries/fenced_room.h"
#include "host/boundaries/room_limits.h"
#include "host/boundaries/sandbox_python.h"
#include "host/loop/pool_work.h"
#include "host/workers/boundary_files.h"
#include "host/workers/control_channel.h"
#include "host/workers/worker_groups.h"

namespace pyember::host {

namespace {

constexpr const char* kPackages = "/packages";

// Everything in a sandbox dies with the process that was started: no more is to be killed.
class SandboxRoom final : public ZygoteRoom {
 public:
  SandboxRoom(EventLoop& loop, BoundaryFolder folder, const std::string& packages,
              const WorkerLimits& limits)
      : loop_(loop),
        folder_(std::make_shared<BoundaryFolder>(std::move(folder))),
        packages_(packages, kPackages),
        groups_(loop, limits) {}
  ~SandboxRoom() override {
    run_in_pool(
        loop_, [folder = std::move(folder_)]() mutable { folder.reset(); }, [] {});
  }

  void kill() override {}
  std::uint64_t memory_kills() const override { return groups_.memory_kills(); }
  Result<WorkerPlace> bring_in(const WorkerPlace& place) override { return packages_.bring(place); }

  const WorkerGroups& groups() const { return groups_; }

  // Makes the room's way to the allowed hosts, if there are any.
  Result<void> open_way_out(SandboxProxy* proxy) {
    if (proxy == nullptr) return {};
    auto socket = proxy->open_socket();
    if (!socket) return socket.error();
    way_out_ = socket.take();
    return {};
  }
  const SandboxProxy::Socket* way_out() const { return way_out_.get(); }

 private:
  EventLoop& loop_;
  std::shared_ptr<BoundaryFolder> folder_;
  BroughtPackages packages_;
  const WorkerGroups groups_;
  std::unique_ptr<SandboxProxy::Socket> way_out_;
};

SandboxPlan plan_for(const SandboxSettings& settings, const WorkerPlace& place,
                     const std::string& packages, const WorkerLimits& limits,
                     const SandboxRoom& room) {
  SandboxPlan plan =
      sandbox_for_python({place.python, settings.runtime_directory, settings.bundled_directory,
                          place.site_directories, place.root});
  plan.read_only.push_back({packages, kPackages});
  const auto add = [](auto& to, const auto& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  add(plan.read_only, settings.allowed.read_only);
  add(plan.read_write, settings.allowed.read_write);
  add(plan.sockets, settings.allowed.sockets);
  add(plan.environment, settings.allowed.environment);
  if (room.way_out() != nullptr) plan.sockets.push_back({room.way_out()->path(), kProxySocket});
  keep_limits(plan, limits, room.groups());
  return plan;
}

}  // namespace

Result<StartedZygote> start_in_sandbox(EventLoop& loop, const SandboxSettings& settings,
                                       const WorkerPlace& place, const WorkerLimits& limits) {
  if (auto available = sandbox_available(); !available) {
    if (!settings.falls_back_to_fence) return available.error();
    return start_behind_fence(loop, settings, place, limits, available.error());
  }
  Result<ControlChannel> channel = ControlChannel::open();
  if (!channel) return channel.error();
  Result<BoundaryFolder> folder = BoundaryFolder::make(settings.folders);
  if (!folder) return folder.error();
  const Result<std::string> packages = folder.value().add("packages");
  if (!packages) return packages.error();
  auto room = std::make_shared<SandboxRoom>(loop, folder.take(), packages.value(), limits);

  if (auto opened = room->open_way_out(settings.proxy); !opened) return opened.error();
  Result<SandboxCommand> command =
      sandbox_command(plan_for(settings, place, packages.value(), limits, *room),
                      {place.python, "-m", "mcp_runtime.worker", "--control",
                       std::to_string(ControlChannel::kNumber), "--workspace", kBoundedFolder});
  if (!command) return command.error();
  SandboxCommand& ready = command.value();
  return channel.value().start(
      {std::move(ready.arguments), std::move(ready.environment), std::move(ready.descriptors)},
      std::move(room),
      {"No sandbox could be started",
       "Install pyember again, or use isolation='process' for code you trust."});
}

}  // namespace pyember::host
