// enclose_in_container: a run's container, by podman's or docker's own command.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/descriptor.h"
#include "base/file_io.h"
#include "base/limits.h"
#include "base/own_environment.h"
#include "host/boundaries/boundary_folder.h"
#include "host/boundaries/containers.h"
#include "host/boundaries/enclosure.h"
#include "host/boundaries/seccomp_program.h"

namespace pyember::host {

namespace {

namespace fs = std::filesystem;

constexpr const char* kVariables = "PYEMBER_INSIDE_";
constexpr const char* kReport = "/ipc/report";
constexpr std::size_t kLargestFile = 32u << 20;

Error not_prepared(const char* step) {
  return {ErrorCode::Unavailable,
          fmt::format("The script was not run: {} failed ({}). See that the server's cache folder "
                      "is writable and has room, then try again.",
                      step, strerror(errno))};
}

// Anybody may read it who gets that far: the container's user is another than ours.
bool write_file(const std::string& path, std::string_view bytes, mode_t mode) {
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  return file.valid() && fchmod(file.get(), mode) == 0 && write_all(file.get(), bytes);
}

// What the container is given: its filter, a place for its report, and inline code.
Result<std::string> furnish(const BoundaryFolder& folder, const Enclosed& enclosed) {
  Result<std::string> exchange = folder.add("exchange");
  if (!exchange) return exchange;
  const Result<int> filter = sandbox_filter();
  if (!filter) return filter.error();
  const std::string& path = exchange.value();
  if (!write_file(path + "/filter", read_at(filter.value(), 0, kLargestFile), 0644) ||
      !write_file(path + "/report", "", 0666)) {
    return not_prepared("writing what its container is given");
  }
  if (!enclosed.file) return exchange;
  const std::string code = read_at(enclosed.file->get(), 0, kLargestFile);
  if (!write_file(path + "/script", code, 0644)) return not_prepared("writing its code");
  return exchange;
}

std::string packages_of(const std::string& environment_root) {
  std::error_code failed;
  for (fs::directory_iterator each(environment_root + "/lib", failed), end; !failed && each != end;
       each.increment(failed)) {
    const std::string packages = each->path().string() + "/site-packages";
    if (access(packages.c_str(), R_OK) == 0) return packages;
  }
  return {};
}

// Of the runtime's command, which needs the server's; and of the script, under names of ours.
std::map<std::string, std::string> variables_of(std::map<std::string, std::string> inside,
                                                const Enclosed& enclosed,
                                                const std::vector<AllowedHost>& hosts,
                                                std::vector<std::string>& names) {
  for (const auto& [name, value] :
       std::map<std::string, std::string>{{"HOME", kContainerFolder},
                                          {"TMPDIR", "/tmp"},
                                          {"MPLCONFIGDIR", "/tmp/matplotlib"},
                                          {"LANG", "C.UTF-8"},
                                          {"PYTHONUTF8", "1"},
                                          {"PYTHONUNBUFFERED", "1"},
                                          {"PYTHONDONTWRITEBYTECODE", "1"}}) {
    inside.emplace(name, value);
  }
  for (const std::string& each : proxy_environment(hosts)) {
    const std::size_t equals = each.find('=');
    if (!each.starts_with("PYEMBER_"))
      inside.emplace(each.substr(0, equals), each.substr(equals + 1));
  }
  if (const std::string packages = packages_of(enclosed.environment_root);
      !enclosed.environment_root.empty() && !packages.empty()) {
    std::string& path = inside["PYTHONPATH"];
    path = packages + (path.empty() ? "" : ":" + path);
  }
  std::map<std::string, std::string> all;
  for (const auto& [name, value] : own_environment()) all.emplace(name, value);
  for (auto& [name, value] : inside) {
    names.push_back(kVariables + name);
    all[kVariables + name] = std::move(value);
  }
  return all;
}

void add_mounts(const Enclosed& enclosed, const Allowance& allowed, const std::string& exchange,
                ContainerPlan& plan) {
  for (const auto* paths : {&allowed.paths, &enclosed.shown}) {
    for (const AllowedPath& each : *paths) {
      plan.allowed.push_back({each.outside, each.inside, each.writable});
    }
  }
  plan.allowed.push_back({exchange + "/report", kReport, true});
  if (enclosed.file) plan.allowed.push_back({exchange + "/script", enclosed.file_path});
  if (!enclosed.environment_root.empty()) plan.read_only.push_back(enclosed.environment_root);
}

// The arguments of enclosed.py, which becomes the container's first process.
std::vector<std::string> first_process(const ContainerRuntime& runtime,
                                       const ContainerSettings& settings, const RunLimits& limits,
                                       bool has_way_out) {
  std::vector<std::string> words{
      "-I", "-S", fmt::format("{}/mcp_runtime/worker/enclosed.py", kContainerRuntimeDirectory)};
  const auto add = [&words](const char* option, std::string value) {
    words.insert(words.end(), {option, std::move(value)});
  };
  add("--variables", kVariables);
  add("--filter", kContainerFilter);
  add("--report", kReport);
  if (has_way_out) add("--proxy", fmt::format("{}:{}", kProxyPort, kProxySocket));
  if (!bounds_are_kept(runtime)) {
    add("--address-space", std::to_string(settings.memory_bytes + limits::kZygoteAddressSpace));
  }
  add("--file-size", std::to_string(*limits.file_size_bytes));
  if (limits.cpu_seconds) add("--cpu", std::to_string(*limits.cpu_seconds));
  words.emplace_back("--");
  return words;
}

}  // namespace

Result<void> enclose_in_container(BoundaryRooms& rooms, const Enclosed& enclosed, RunSpec& spec) {
  const BoundaryRooms::Settings& all = rooms.settings();
  if (!all.container) return all.container.error();
  ContainerSettings settings = all.container.value();
  lower_limits(all.sandbox, spec.limits);
  settings.memory_bytes = *spec.limits.memory_bytes;
  settings.processes = *spec.limits.processes + 1;  // the first one
  const Result<ContainerRuntime> runtime = rooms.containers().runtime();
  if (!runtime) return runtime.error();
  Result<BoundaryFolder> folder = BoundaryFolder::make(all.sandbox.folders);
  if (!folder) return folder.error();
  const Result<std::string> exchange = furnish(folder.value(), enclosed);
  if (!exchange) return exchange.error();

  // The runner puts itself in for what stands in braces: the container is its, and outlives us.
  ContainerPlan plan{"pyember-run-{runner}",
                     {"pyember.owner={owner}"},
                     exchange.value(),
                     "",
                     all.sandbox.runtime_directory,
                     "",
                     {}};
  add_mounts(enclosed, all.allowed, exchange.value(), plan);
  if (all.sandbox.proxy != nullptr) {
    auto socket = all.sandbox.proxy->open_socket();
    if (!socket) return socket.error();
    plan.allowed.push_back({socket.value()->path(), kProxySocket});
    spec.held.push_back(std::shared_ptr<const SandboxProxy::Socket>(socket.take()));
  }
  plan.working_directory = enclosed.working_directory;
  spec.environment =
      variables_of(std::move(spec.environment), enclosed, all.allowed.hosts, plan.environment);
  plan.program =
      first_process(runtime.value(), settings, spec.limits, all.sandbox.proxy != nullptr);
  spec.enclosure = run_command(runtime.value(), settings, plan);
  spec.afterwards = remove_command(runtime.value(), settings, {plan.name});
  spec.report = exchange.value() + "/report";
  spec.command.front() = "python3";
  spec.working_directory = folder.value().path();  // where conmon leaves a file when memory is out
  spec.limits = {};
  spec.held.push_back(std::make_shared<const BoundaryFolder>(folder.take()));
  return {};
}

}  // namespace pyember::host
