#include "host/boundaries/enclosure.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/control_group.h"
#include "base/limits.h"
#include "host/boundaries/bubblewrap.h"
#include "host/boundaries/sandbox_python.h"

namespace pyember::host {

namespace {

using Controller = ControlGroup::Controller;

constexpr int kFileDescriptor = 11;  // 9 and 10 are the sandbox's
constexpr const char* kVariables = "PYEMBER_INSIDE_";
// Of the processes that are counted: bubblewrap, and the first one inside.
constexpr std::uint64_t kOfTheSandbox = 2;

// Whether the runner, which is where we are, may make control groups: tried once.
bool can_group(Controller controller) {
  const auto tried = [](Controller each) {
    return ControlGroup::make(each, limits::kBoundaryMemoryBytes,
                              fmt::format("pyember-try-{}", getpid())) != nullptr;
  };
  static const bool memory = tried(Controller::Memory);
  static const bool processes = tried(Controller::Processes);
  return controller == Controller::Memory ? memory : processes;
}

void lower(std::optional<std::uint64_t>& limit, std::uint64_t most) {
  limit = limit ? std::min(*limit, most) : most;
}

// The runner keeps them by control groups; what it can't the sandbox keeps.
void set_limits(const SandboxSettings& settings, SandboxPlan& plan, RunLimits& limits) {
  const bool has_own_memory = limits.memory_bytes.has_value();
  lower_limits(settings, limits);
  plan.limits.open_files = limits::kBoundaryOpenFiles;
  if (!has_own_memory && !can_group(Controller::Memory)) {
    limits.memory_bytes.reset();
    plan.limits.address_space_bytes = settings.memory_bytes + limits::kZygoteAddressSpace;
  }
  *limits.processes += kOfTheSandbox;
  if (!can_group(Controller::Processes))
    plan.limits.processes = std::exchange(limits.processes, {});
}

void show(const std::vector<AllowedPath>& paths, SandboxPlan& plan) {
  for (const AllowedPath& each : paths) {
    (each.writable ? plan.read_write : plan.read_only).push_back({each.outside, each.inside});
    plan.owned.push_back(each.inside);
  }
}

// A sandbox's own variables, but for what only the runtime of sessions wants.
void add_variables(const std::vector<std::string>& variables,
                   std::map<std::string, std::string>& to) {
  for (const std::string& each : variables) {
    const std::size_t equals = each.find('=');
    const std::string name = each.substr(0, equals);
    if (name == "PYTHONPATH" || name == "PYEMBER_BUNDLED" || name == "PYEMBER_PROXY") continue;
    to.emplace(name, each.substr(equals + 1));
  }
}

void hide_variables(std::map<std::string, std::string>& variables) {
  std::map<std::string, std::string> hidden;
  for (auto& [name, value] : variables) hidden[kVariables + name] = std::move(value);
  variables = std::move(hidden);
}

// The way to allowed hosts, for a program that has no keeper to make it.
Result<std::vector<std::string>> open_way_out(const SandboxSettings& settings,
                                              const std::string& python, SandboxPlan& plan,
                                              RunSpec& spec) {
  if (settings.proxy == nullptr) return std::vector<std::string>();
  auto socket = settings.proxy->open_socket();
  if (!socket) return socket.error();
  plan.sockets.push_back({socket.value()->path(), kProxySocket});
  plan.read_only.push_back({settings.runtime_directory});
  spec.held.push_back(std::shared_ptr<const SandboxProxy::Socket>(socket.take()));
  return std::vector<std::string>{python, "-I", "-S",
                                  settings.runtime_directory + "/mcp_runtime/worker/forwarder.py",
                                  fmt::format("{}:{}", kProxyPort, kProxySocket)};
}

SandboxPlan plan_for(const SandboxSettings& settings, const Enclosed& enclosed) {
  SandboxPlan plan = sandbox_for_python({enclosed.python, {}, {}, {}, enclosed.environment_root});
  const auto add = [](auto& to, const auto& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  add(plan.read_only, settings.allowed.read_only);
  add(plan.read_write, settings.allowed.read_write);
  add(plan.sockets, settings.allowed.sockets);
  add(plan.environment, settings.allowed.environment);
  show(enclosed.shown, plan);
  if (!enclosed.file_path.empty()) plan.files.push_back({kFileDescriptor, enclosed.file_path});
  plan.working_directory = enclosed.working_directory;
  plan.variables_prefix = kVariables;
  plan.outlasts_term = true;
  return plan;
}

Result<PassedFile> passed(const ChildDescriptor& descriptor) {
  auto file = std::make_shared<Descriptor>(fcntl(descriptor.from, F_DUPFD_CLOEXEC, 3));
  if (file->valid()) return PassedFile{descriptor.number, std::move(file)};
  return Error{ErrorCode::Unavailable,
               fmt::format("The script was not run: its sandbox's filter can't be handed on ({}). "
                           "Free descriptors of the server, or raise its limit (ulimit -n).",
                           strerror(errno))};
}

}  // namespace

void lower_limits(const SandboxSettings& settings, RunLimits& limits) {
  lower(limits.memory_bytes, settings.memory_bytes);
  lower(limits.processes, settings.processes);
  lower(limits.file_size_bytes, limits::kBoundaryRunFileBytes);
  limits.no_network = false;  // there is none
}

Result<void> enclose_in_sandbox(BoundaryRooms& rooms, const Enclosed& enclosed, RunSpec& spec) {
  if (const auto& bounds = rooms.settings().container; !bounds) return bounds.error();
  if (auto available = sandbox_available(); !available) return available;
  const SandboxSettings& settings = rooms.settings().sandbox;
  SandboxPlan plan = plan_for(settings, enclosed);
  set_limits(settings, plan, spec.limits);
  add_variables(plan.environment, spec.environment);
  auto way_out = open_way_out(settings, enclosed.python, plan, spec);
  if (!way_out) return way_out.error();
  Result<SandboxCommand> command = sandbox_command(plan, way_out.take());
  if (!command) return command.error();
  for (const ChildDescriptor& each : command.value().descriptors) {
    Result<PassedFile> file = passed(each);
    if (!file) return file.error();
    spec.passed.push_back(file.take());
  }
  if (enclosed.file) spec.passed.push_back({kFileDescriptor, enclosed.file});
  spec.enclosure = std::move(command.value().arguments);
  spec.working_directory = "/";  // of what makes the sandbox
  hide_variables(spec.environment);
  return {};
}

}  // namespace pyember::host
