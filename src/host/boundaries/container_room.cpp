#include "host/boundaries/container_room.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/descriptor.h"
#include "base/own_environment.h"
#include "base/spawn.h"
#include "host/boundaries/boundary_folder.h"
#include "host/boundaries/brought_packages.h"
#include "host/boundaries/container_failures.h"
#include "host/boundaries/seccomp_program.h"
#include "host/loop/pool_work.h"
#include "host/options.h"
#include "host/workers/worker_groups.h"

namespace pyember::host {

namespace {

Error not_prepared(const char* step) {
  return {ErrorCode::Unavailable,
          fmt::format("No container could be started: {} failed ({}). See that the server's cache "
                      "folder is writable and has room, then send the cell again.",
                      step, strerror(errno))};
}

// Where the zygote will knock. The path may be longer than such an address can be, so it is taken
// from the folder's descriptor.
Result<Descriptor> listen_in(const std::string& folder) {
  const Descriptor directory(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  Descriptor listener(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (directory.get() < 0 || listener.get() < 0) return not_prepared("opening its socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const auto end = fmt::format_to_n(address.sun_path, sizeof address.sun_path - 1,
                                    "/proc/self/fd/{}/control.sock", directory.get());
  *end.out = '\0';
  if (bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      fchmodat(directory.get(), "control.sock", 0666, 0) != 0 || listen(listener.get(), 1) != 0) {
    return not_prepared("making its socket");
  }
  return listener;
}

Result<void> write_filter(const std::string& folder) {
  const Result<int> filter = sandbox_filter();
  if (!filter) return filter.error();
  const Descriptor file(
      open((folder + "/filter").c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  struct stat status {};
  off_t from = 0;
  if (file.get() < 0 || fchmod(file.get(), 0644) != 0 || fstat(filter.value(), &status) != 0 ||
      sendfile(file.get(), filter.value(), &from, static_cast<std::size_t>(status.st_size)) !=
          status.st_size) {
    return not_prepared("writing its filter");
  }
  return {};
}

// What the server keeps of a container's bounds where the runtime can't: whatever it starts stays
// in the group that it was started in, and its own processes are in there, too.
WorkerLimits kept_by_us(const ContainerRuntime& runtime, const ContainerSettings& settings) {
  constexpr std::uint64_t kRuntimeBytes = 96 << 20;
  WorkerLimits limits;
  if (!bounds_are_kept(runtime) && !find_enter().empty()) {
    limits.memory_bytes = settings.memory_bytes + kRuntimeBytes;
  }
  return limits;
}

std::vector<std::string> in_group(const WorkerGroups& groups, std::vector<std::string> command) {
  if (groups.memory_path().empty()) return command;
  std::vector<std::string> words{find_enter(), "--join", groups.memory_path(), "--"};
  words.insert(words.end(), command.begin(), command.end());
  return words;
}

// Commands of the runtime's whose end nobody waits for but a thread of the pool.
void run_beside(EventLoop& loop, std::vector<std::string> command) {
  pid_t pid = 0;
  const std::vector<ChildDescriptor> nowhere{{0, -1, O_RDONLY}, {1, -1, O_RDWR}, {2, -1, O_RDWR}};
  if (spawn_on_its_own(std::move(command), own_environment_entries(), nowhere, pid) != 0) return;
  run_in_pool(
      loop, [pid] { waitpid(pid, nullptr, 0); }, [] {});
}

class ContainerRoom final : public ZygoteRoom {
 public:
  ContainerRoom(EventLoop& loop, ContainerRuntime runtime, ContainerSettings settings,
                ContainerPull& pull, BoundaryFolder folder, ContainerPlan plan,
                std::unique_ptr<SandboxProxy::Socket> way_out)
      : loop_(loop),
        runtime_(std::move(runtime)),
        settings_(std::move(settings)),
        pull_(pull),
        folder_(std::make_shared<BoundaryFolder>(std::move(folder))),
        plan_(std::move(plan)),
        packages_(plan_.packages_directory, kContainerPackages),
        way_out_(std::move(way_out)),
        groups_(loop, kept_by_us(runtime_, settings_)) {}
  ~ContainerRoom() override {
    run_in_pool(
        loop_, [folder = std::move(folder_)]() mutable { folder.reset(); }, [] {});
  }

  void connected() override { unlink((plan_.exchange_directory + "/control.sock").c_str()); }
  // A runtime that is killed between making a container and starting it leaves processes behind
  // that nobody knows of. It ends with the container.
  bool cleans_up() const override { return true; }
  // Once: the container may be anywhere on its way up or down. One that is not there yet finds
  // nobody at the socket, and ends.
  void kill() override {
    if (std::exchange(killed_, true)) return;
    run_beside(loop_, remove_command(runtime_, settings_, {plan_.name}));
  }
  // The runtime's groups are not ours to look into.
  std::uint64_t memory_kills() const override { return groups_.memory_kills(); }
  Result<WorkerPlace> bring_in(const WorkerPlace& place) override { return packages_.bring(place); }
  std::string why_not_started(const std::string& printed) const override {
    const ContainerFailure failure = container_failure(printed);
    if (failure == ContainerFailure::ImageMissing) return pull_.image_is_missing().message;
    return container_error(failure, runtime_, settings_, printed).message;
  }

  const ContainerPlan& plan() const { return plan_; }
  // Where the runtime's command works: conmon leaves a file `oom` there when the kernel has killed.
  const std::string& directory() const { return folder_->path(); }
  const WorkerGroups& groups() const { return groups_; }

 private:
  EventLoop& loop_;
  const ContainerRuntime runtime_;
  const ContainerSettings settings_;
  ContainerPull& pull_;
  std::shared_ptr<BoundaryFolder> folder_;
  const ContainerPlan plan_;
  BroughtPackages packages_;
  const std::unique_ptr<SandboxProxy::Socket> way_out_;  // null: no hosts are allowed
  const WorkerGroups groups_;                            // none where the runtime keeps the bounds
  bool killed_ = false;
};

// Adds what is allowed to the plan; the socket is the container's way to allowed hosts, or null.
Result<std::unique_ptr<SandboxProxy::Socket>> allow(const Allowance& allowed, SandboxProxy* proxy,
                                                    ContainerPlan& plan) {
  for (const AllowedPath& each : allowed.paths) {
    plan.allowed.push_back({each.outside, each.inside, each.writable});
  }
  std::unique_ptr<SandboxProxy::Socket> way_out;
  if (proxy == nullptr) return way_out;
  auto opened = proxy->open_socket();
  if (!opened) return opened.error();
  way_out = opened.take();
  plan.allowed.push_back({way_out->path(), kProxySocket});
  plan.environment = proxy_environment(allowed.hosts);
  return way_out;
}

}  // namespace

ContainerRooms::ContainerRooms(EventLoop& loop, Settings settings)
    : loop_(loop), settings_(std::move(settings)) {}

Result<ContainerRuntime> ContainerRooms::runtime() {
  Result<ContainerRuntime> found = find_container_runtime(settings_.container.value().runtime);
  if (found && !pull_) {
    pull_ = std::make_unique<ContainerPull>(loop_, found.value(), settings_.container.value());
    orphans_look_ = std::make_unique<Timer>(
        loop_, [this, runtime = found.value()] { remove_orphans(runtime); });
    orphans_look_->start(limits::kContainerOrphansDelay);
  }
  return found;
}

void ContainerRooms::remove_orphans(const ContainerRuntime& runtime) {
  orphans_ = std::make_unique<ContainerOrphans>(
      loop_, runtime, settings_.container.value(), [](std::size_t removed) {
        if (removed != 0) spdlog::info("containers_removed orphans={}", removed);
      });
}

Result<StartedZygote> ContainerRooms::start(const WorkerPlace& place, const WorkerLimits& limits) {
  if (!settings_.container) return settings_.container.error();
  ContainerSettings settings = settings_.container.value();
  if (limits.memory_bytes) settings.memory_bytes = *limits.memory_bytes;
  if (limits.processes) settings.processes = *limits.processes;
  Result<ContainerRuntime> runtime = this->runtime();
  if (!runtime) return runtime.error();
  Result<BoundaryFolder> folder = BoundaryFolder::make(settings_.folders);
  if (!folder) return folder.error();
  const Result<std::string> exchange = folder.value().add("exchange");
  if (!exchange) return exchange.error();
  const Result<std::string> packages = folder.value().add("packages");
  if (!packages) return packages.error();
  Result<Descriptor> listener = listen_in(exchange.value());
  if (!listener) return listener.error();
  if (auto written = write_filter(exchange.value()); !written) return written.error();

  const ProcessIdentity server = own_identity();
  ContainerPlan plan{container_name(server, ++started_),
                     container_labels(server, settings_.folders),
                     exchange.value(),
                     packages.value(),
                     settings_.runtime_directory,
                     settings_.bundled_directory,
                     settings_.read_only};
  if (!place.root.empty()) plan.read_only.push_back(place.root);
  auto way_out = allow(settings_.allowed, settings_.proxy, plan);
  if (!way_out) return way_out.error();
  auto room = std::make_shared<ContainerRoom>(loop_, runtime.value(), settings, *pull_,
                                              folder.take(), std::move(plan), way_out.take());
  std::array<int, 2> pipes{-1, -1};
  if (pipe2(pipes.data(), O_CLOEXEC) != 0) return not_prepared("opening a pipe");
  Descriptor log(pipes[0]);
  const Descriptor log_there(pipes[1]);
  fcntl(log.get(), F_SETFL, O_NONBLOCK);
  pid_t pid = 0;
  const int failed = spawn_on_its_own(
      in_group(room->groups(), run_command(runtime.value(), settings, room->plan())),
      own_environment_entries(), {{0, -1, O_RDONLY}, {1, log_there.get()}, {2, log_there.get()}},
      pid, room->directory().c_str());
  if (failed != 0) {
    errno = failed;
    return not_prepared(runtime.value().program.c_str());
  }
  return StartedZygote{identity_of(pid), listener.take(), true, std::move(log), std::move(room)};
}

}  // namespace pyember::host
