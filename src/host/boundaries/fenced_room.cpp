#include "host/boundaries/fenced_room.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <utility>

#include "base/small_file.h"
#include "host/boundaries/boundary_folder.h"
#include "host/boundaries/brought_packages.h"
#include "host/boundaries/fence.h"
#include "host/boundaries/room_limits.h"
#include "host/boundaries/sandbox_python.h"
#include "host/loop/pool_work.h"
#include "host/runs/process_identity.h"
#include "host/workers/control_channel.h"
#include "host/workers/worker_groups.h"

namespace pyember::host {

namespace {

constexpr std::size_t kMostText = 64u << 10;
constexpr std::chrono::seconds kPatience{2};
constexpr useconds_t kLookPeriodUs = 2000;

// Without a namespace, what has got away from its parents is found by its control group alone.
// Whether there was anybody left in it.
bool kill_members(const std::string& group) {
  if (group.empty()) return false;
  const std::string listed = read_small_file((group + "/cgroup.procs").c_str(), kMostText);
  const char* at = listed.c_str();
  bool any = false;
  for (char* end = nullptr; *at != '\0'; at = end) {
    const long pid = std::strtol(at, &end, 10);
    if (end == at) break;
    any = true;
    signal_process(identity_of(static_cast<pid_t>(pid)), SIGKILL);
    while (*end == '\n') ++end;
  }
  return any;
}

void kill_all_members(const std::string& group) {
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  while (kill_members(group) && std::chrono::steady_clock::now() < give_up) usleep(kLookPeriodUs);
}

// "The sandbox can't be used: bubblewrap is not installed (no bwrap on PATH)": without what to do.
std::string in_brief(std::string_view why) {
  why = why.substr(0, why.find(". "));
  while (why.ends_with('.')) why.remove_suffix(1);
  return std::string(why);
}

std::string notice_of(const std::string& why, bool counts_processes, bool has_hosts) {
  return fmt::format(
      "This session is not in a sandbox but behind a fence of Landlock's, which is weaker. {}, and "
      "the server was started with --sandbox-fallback landlock. Its code can't read, change or "
      "reach what is not its own, but it sees which files and processes there are, whose they are "
      "and how they were started, and the machine's name and addresses; and nothing bounds its "
      "disk space{}.{} For code that must not have that use isolation='container', or make "
      "sandboxes possible (`pyember doctor` says how).",
      why, counts_processes ? "" : " and the number of its processes",
      has_hosts ? " Hosts that the server allows are not reached from here." : "");
}

class FencedRoom final : public ZygoteRoom {
 public:
  struct Folders {
    std::string session;
    std::string temporary;
    std::string packages;
  };
  FencedRoom(EventLoop& loop, BoundaryFolder folder, Folders folders, const WorkerLimits& limits)
      : loop_(loop),
        folder_(std::make_shared<BoundaryFolder>(std::move(folder))),
        folders_(std::move(folders)),
        packages_(folders_.packages, folders_.packages),
        groups_(loop, limits) {}
  ~FencedRoom() override {
    run_in_pool(
        loop_,
        [group = group(), folder = std::move(folder_)]() mutable {
          kill_all_members(group);
          folder.reset();
        },
        [] {});
  }

  std::string folder() const override { return folders_.session; }
  std::string first_notice() const override { return notice_; }
  bool has_own_pids() const override { return false; }
  void kill() override { kill_members(group()); }
  std::uint64_t memory_kills() const override { return groups_.memory_kills(); }
  Result<WorkerPlace> bring_in(const WorkerPlace& place) override { return packages_.bring(place); }

  const Folders& folders() const { return folders_; }
  const WorkerGroups& groups() const { return groups_; }
  void explain(const std::string& why, bool has_hosts) {
    notice_ = notice_of(why, !groups_.processes_path().empty(), has_hosts);
  }

 private:
  // Either holds all of it.
  std::string group() const {
    return groups_.processes_path().empty() ? groups_.memory_path() : groups_.processes_path();
  }

  EventLoop& loop_;
  std::shared_ptr<BoundaryFolder> folder_;
  const Folders folders_;
  BroughtPackages packages_;
  const WorkerGroups groups_;
  std::string notice_;
};

Result<std::shared_ptr<FencedRoom>> make_room(EventLoop& loop, const std::string& directory,
                                              const WorkerLimits& limits) {
  Result<BoundaryFolder> folder = BoundaryFolder::make(directory);
  if (!folder) return folder.error();
  FencedRoom::Folders folders;
  for (const auto& [place, name] : {std::pair{&folders.session, "workspace"},
                                    {&folders.temporary, "tmp"},
                                    {&folders.packages, "packages"}}) {
    Result<std::string> made = folder.value().add(name);
    if (!made) return made.error();
    *place = made.take();
  }
  return std::make_shared<FencedRoom>(loop, folder.take(), std::move(folders), limits);
}

SandboxPlan plan_for(const SandboxSettings& settings, const WorkerPlace& place,
                     const WorkerLimits& limits, const FencedRoom& room) {
  SandboxPlan plan =
      sandbox_for_python({place.python, settings.runtime_directory, settings.bundled_directory,
                          place.site_directories, place.root});
  plan.read_only.push_back({room.folders().packages});
  const auto allow = [](std::vector<SandboxPath>& to, const std::vector<SandboxPath>& from) {
    // What was allowed by a link's name leads to the same place here as outside.
    for (const SandboxPath& each : from) to.push_back({each.outside, "", each.optional});
  };
  allow(plan.read_only, settings.allowed.read_only);
  allow(plan.read_write, settings.allowed.read_write);
  keep_limits(plan, limits, room.groups());
  return plan;
}

Error neither(const Error& no_sandbox, const Error& no_fence) {
  return {ErrorCode::Unavailable, fmt::format("{}. Nor is there a fence in its place: {}",
                                              in_brief(no_sandbox.message), no_fence.message)};
}

}  // namespace

Result<StartedZygote> start_behind_fence(EventLoop& loop, const SandboxSettings& settings,
                                         const WorkerPlace& place, const WorkerLimits& limits,
                                         const Error& why) {
  if (auto available = fence_available(); !available) return neither(why, available.error());
  Result<ControlChannel> channel = ControlChannel::open();
  if (!channel) return channel.error();
  auto made = make_room(loop, settings.folders, limits);
  if (!made) return made.error();
  const std::shared_ptr<FencedRoom> room = made.take();
  room->explain(in_brief(why.message), settings.proxy != nullptr);

  const FencedRoom::Folders& folders = room->folders();
  Result<SandboxCommand> command =
      fenced_command(plan_for(settings, place, limits, *room), {folders.session, folders.temporary},
                     {place.python, "-m", "mcp_runtime.worker", "--control",
                      std::to_string(ControlChannel::kNumber), "--workspace", folders.session});
  if (!command) return command.error();
  SandboxCommand& ready = command.value();
  return channel.value().start(
      {std::move(ready.arguments), std::move(ready.environment), std::move(ready.descriptors)},
      room,
      {"No fence could be put up",
       "Install pyember again, or use isolation='process' for code you trust."});
}

}  // namespace pyember::host
