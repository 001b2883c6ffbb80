#include "host/boundaries/containers.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "base/limits.h"
#include "base/small_file.h"
#include "host/environments/program_path.h"

namespace pyember::host {

namespace {

using Words = std::vector<std::string>;

void append(Words& words, std::initializer_list<std::string_view> more) {
  words.insert(words.end(), more.begin(), more.end());
}

ContainerRuntime::Kind kind_of(const std::string& program) {
  const std::string_view name = std::string_view(program).substr(program.rfind('/') + 1);
  return name.starts_with("docker") || name.starts_with("nerdctl") ? ContainerRuntime::Kind::Docker
                                                                   : ContainerRuntime::Kind::Podman;
}

Error no_runtime(const std::string& why) {
  return {ErrorCode::Unavailable,
          fmt::format("No container runtime found: {}. Install podman or docker, name one with "
                      "MCP_BRIDGE_RUNTIME, or use the built-in sandbox, which needs neither: "
                      "isolation=\"sandbox\" with the call, or a server started without "
                      "MCP_BRIDGE_RUNTIME.",
                      why)};
}

Words beginning(const ContainerRuntime& runtime, const ContainerSettings& settings) {
  Words words{runtime.program};
  words.insert(words.end(), settings.global_arguments.begin(), settings.global_arguments.end());
  return words;
}

// --mount takes a record of comma-separated values, with the quotes of such files.
std::string field(const char* name, const std::string& value) {
  std::string text = fmt::format("{}={}", name, value);
  if (text.find_first_of(",\"") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char each : text) quoted.append(each == '"' ? 2 : 1, each);
  return quoted + '"';
}

void mount(Words& words, const std::string& from, const std::string& to, bool writable = false) {
  append(words, {"--mount", fmt::format("type=bind,{},{}{}", field("source", from),
                                        field("target", to), writable ? "" : ",readonly")});
}

void forbid_what_is_not_needed(Words& words, const ContainerSettings& settings) {
  append(words, {"--network", "none", "--read-only", "--cap-drop", "ALL"});
  append(words, {"--security-opt", "no-new-privileges"});
  // Under SELinux a container may use nothing that is not labelled for it. What is mounted here is
  // the user's own, and read-only: labelling it anew would be worse than going without.
  if (access("/sys/fs/selinux/enforce", F_OK) == 0) {
    append(words, {"--security-opt", "label=disable"});
  }
  for (const std::string& option : settings.security_options) {
    append(words, {"--security-opt", option});
  }
  append(words, {"--user", settings.user});
}

std::string tmpfs(const char* path, std::uint64_t bytes, const char* mode) {
  return fmt::format("{}:rw,noexec,nosuid,nodev,size={},mode={}", path, bytes, mode);
}

// Podman asks for as much as there can be and fails where the server is limited itself; it also
// lowers its own number of processes to as many as there are ids by default. That number counts all
// of a user's in every container, which is no bound to rely on: --pids-limit is.
constexpr rlim_t kMaximumProcesses = 32768;

std::string limit_within_ours(const char* name, decltype(RLIMIT_NOFILE) resource, rlim_t wanted) {
  rlimit own{};
  getrlimit(resource, &own);
  return fmt::format("{0}={1}:{1}", name, std::min(wanted, own.rlim_max));
}

// What no control group keeps is kept for each process by itself. Processes are then counted by
// user and user namespace, and all containers of a user have one in common unless each is told to
// have its own; podman makes a copy of the image for that, once.
void limit_what_no_group_keeps(Words& words, const ContainerSettings& settings) {
  constexpr const char* kItsOwn = "0:0:65535";
  append(words, {"--uidmap", kItsOwn, "--gidmap", kItsOwn});
  append(words, {"--ulimit", limit_within_ours("nproc", RLIMIT_NPROC, settings.processes)});
}

void limit_processes_one_by_one(Words& words, const ContainerRuntime& runtime,
                                const ContainerSettings& settings) {
  append(words, {"--ulimit", "core=0:0"});
  if (runtime.kind == ContainerRuntime::Kind::Docker) {  // its daemon's limits are other ones
    append(words, {"--ulimit", fmt::format("nofile={0}:{0}", limits::kBoundaryOpenFiles)});
    return;
  }
  append(words,
         {"--ulimit", limit_within_ours("nofile", RLIMIT_NOFILE, limits::kBoundaryOpenFiles)});
  if (!bounds_are_kept(runtime)) return limit_what_no_group_keeps(words, settings);
  append(words, {"--ulimit", limit_within_ours("nproc", RLIMIT_NPROC, kMaximumProcesses)});
}

void set_bounds(Words& words, const ContainerRuntime& runtime, const ContainerSettings& settings) {
  const std::string memory = std::to_string(settings.memory_bytes);
  append(words, {"--memory", memory, "--memory-swap", memory});
  append(words, {"--pids-limit", std::to_string(settings.processes)});
  if (settings.cpu_quota_us) {
    append(words,
           {"--cpu-period", "100000", "--cpu-quota", std::to_string(*settings.cpu_quota_us)});
  }
  append(words, {"--oom-score-adj", "500"});  // the server is needed longer
  limit_processes_one_by_one(words, runtime, settings);
  append(words, {"--tmpfs", tmpfs("/tmp", limits::kBoundaryTmpBytes, "1777")});
  append(words, {"--tmpfs", tmpfs(kContainerFolder, limits::kBoundaryFolderBytes, "0777")});
  append(words, {"--shm-size", std::to_string(limits::kBoundaryTmpBytes)});
}

// What the runtime would do unasked, for people who run services.
void leave_out(Words& words, const ContainerRuntime& runtime) {
  append(words, {"--log-driver", "none", "--pull", "never", "--no-healthcheck"});
  if (runtime.kind == ContainerRuntime::Kind::Podman) {
    // No /run, /var/tmp or volumes of the image's to write to, no hosts and proxies of the
    // machine's.
    append(words, {"--read-only-tmpfs=false", "--image-volume=ignore", "--no-hosts",
                   "--http-proxy=false", "--systemd=false", "--sdnotify=ignore"});
    return;
  }
  for (const char* name : {"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY",
                           "http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"}) {
    append(words, {"--env", fmt::format("{}=", name)});  // docker's client has them from its file
  }
}

void set_environment(Words& words, const ContainerPlan& plan) {
  const auto set = [&words](const char* name, std::string_view value) {
    append(words, {"--env", fmt::format("{}={}", name, value)});
  };
  set("HOME", kContainerFolder);
  set("TMPDIR", "/tmp");
  set("MPLCONFIGDIR", "/tmp/matplotlib");
  set("LANG", "C.UTF-8");
  set("PYTHONUTF8", "1");
  set("PYTHONUNBUFFERED", "1");
  set("PYTHONDONTWRITEBYTECODE", "1");
  set("PYTHONPATH", kContainerRuntimeDirectory);
  set("PYEMBER_FILTER", kContainerFilter);
  if (!plan.bundled_directory.empty()) set("PYEMBER_BUNDLED", kContainerBundledDirectory);
  for (const std::string& each : plan.environment) append(words, {"--env", each});
  append(words, {"--workdir", plan.working_directory, "--hostname", "pyember"});
}

void mount_all(Words& words, const ContainerPlan& plan) {
  mount(words, plan.exchange_directory, kContainerExchange);
  mount(words, plan.runtime_directory, kContainerRuntimeDirectory);
  if (!plan.bundled_directory.empty()) {
    mount(words, plan.bundled_directory, kContainerBundledDirectory);
  }
  if (!plan.packages_directory.empty()) {
    mount(words, plan.packages_directory, kContainerPackages);
  }
  for (const std::string& path : plan.read_only) mount(words, path, path);
  for (const ContainerMount& each : plan.allowed) {
    mount(words, each.outside, each.inside, each.writable);
  }
}

}  // namespace

Result<ContainerRuntime> find_container_runtime(const std::string& named) {
  if (!named.empty()) {
    const std::string program =
        named.front() == '/' ? (is_program(named) ? named : std::string()) : program_on_path(named);
    if (!program.empty()) return ContainerRuntime{program, kind_of(program)};
    return no_runtime(
        fmt::format("MCP_BRIDGE_RUNTIME names '{}', which is no program {}", named,
                    named.find('/') == std::string::npos ? "on PATH" : "with an absolute path"));
  }
  for (const char* name : {"podman", "docker"}) {
    if (const std::string program = program_on_path(name); !program.empty()) {
      return ContainerRuntime{program, kind_of(program)};
    }
  }
  return no_runtime("neither podman nor docker is on PATH");
}

Words run_command(const ContainerRuntime& runtime, const ContainerSettings& settings,
                  const ContainerPlan& plan) {
  Words words = beginning(runtime, settings);
  append(words, {"run", "--rm", "--name", plan.name});
  for (const std::string& label : plan.labels) append(words, {"--label", label});
  forbid_what_is_not_needed(words, settings);
  set_bounds(words, runtime, settings);
  leave_out(words, runtime);
  set_environment(words, plan);
  mount_all(words, plan);
  words.insert(words.end(), settings.run_arguments.begin(), settings.run_arguments.end());
  // The image's own entry point would come before ours.
  append(words, {"--entrypoint", "python3", settings.image});
  if (!plan.program.empty()) {
    words.insert(words.end(), plan.program.begin(), plan.program.end());
    return words;
  }
  append(words, {"-m", "mcp_runtime.worker"});
  append(words, {"--connect", kContainerControl, "--workspace", kContainerFolder});
  if (!bounds_are_kept(runtime)) {  // the runtimes have no name for this limit
    append(words, {"--address-space",
                   std::to_string(settings.memory_bytes + limits::kZygoteAddressSpace)});
  }
  return words;
}

Words remove_command(const ContainerRuntime& runtime, const ContainerSettings& settings,
                     const Words& names) {
  Words words = beginning(runtime, settings);
  append(words, {"rm", "-f"});
  // Podman would ask for 10 seconds before it kills; docker kills.
  if (runtime.kind == ContainerRuntime::Kind::Podman) append(words, {"--time", "0"});
  words.insert(words.end(), names.begin(), names.end());
  return words;
}

Words pull_command(const ContainerRuntime& runtime, const ContainerSettings& settings) {
  Words words = beginning(runtime, settings);
  append(words, {"pull", "--quiet", settings.image});
  return words;
}

bool bounds_are_kept(const ContainerRuntime& runtime) {
  if (runtime.kind == ContainerRuntime::Kind::Docker || geteuid() == 0) return true;
  const std::string user = std::to_string(geteuid());
  const std::string handed_down = read_small_file(
      fmt::format("/sys/fs/cgroup/user.slice/user-{0}.slice/user@{0}.service/cgroup.controllers",
                  user)
          .c_str());
  const std::string padded = " " + handed_down.substr(0, handed_down.find('\n')) + " ";
  return padded.find(" memory ") != std::string::npos && padded.find(" pids ") != std::string::npos;
}

}  // namespace pyember::host
