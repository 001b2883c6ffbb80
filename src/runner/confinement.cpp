#include "runner/confinement.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string_view>

#include "base/local_sockets.h"
#include "base/small_file.h"
#include "runner/json_object.h"
#include "runner/network.h"

namespace pyember::runner {
namespace {

std::string group_name() { return "pyember-run-" + std::to_string(getpid()); }

bool kernel_is_at_least(int major, int minor) {
  utsname facts{};
  int have_major = 0;
  int have_minor = 0;
  uname(&facts);
  std::sscanf(facts.release, "%d.%d", &have_major, &have_minor);
  return have_major > major || (have_major == major && have_minor >= minor);
}

// The machine's own root, whose processes no RLIMIT_NPROC holds; not one inside a user namespace.
bool is_real_root() {
  const std::string map = read_small_file("/proc/self/uid_map");
  unsigned inside = 0;
  unsigned outside = 0;
  if (std::sscanf(map.c_str(), "%u %u", &inside, &outside) != 2) return true;
  return geteuid() == inside && outside == 0;
}

// Everybody keeps the number he has: those that can be seen from here, or, without the right to
// map them all, ours alone.
bool map_ids(const std::string& process, const char* map, unsigned own) {
  const std::string known = read_small_file((std::string("/proc/self/") + map).c_str());
  std::string all;
  for (std::size_t at = 0; at < known.size(); at = known.find('\n', at) + 1) {
    unsigned inside = 0;
    unsigned outside = 0;
    unsigned count = 0;
    if (std::sscanf(known.c_str() + at, "%u %u %u", &inside, &outside, &count) != 3) break;
    const std::string first = std::to_string(inside);
    all.append(first).append(" ").append(first).append(" ");
    all.append(std::to_string(count)).append("\n");
  }
  if (write_small_file(AT_FDCWD, (process + map).c_str(), all)) return true;
  const std::string self = std::to_string(own);
  write_small_file(AT_FDCWD, (process + "setgroups").c_str(), "deny");
  return write_small_file(AT_FDCWD, (process + map).c_str(), self + " " + self + " 1\n");
}

bool lower(decltype(RLIMIT_AS) resource, rlim_t soft, rlim_t hard) {
  rlimit limit{};
  if (getrlimit(resource, &limit) != 0) return false;
  limit.rlim_max = std::min(limit.rlim_max, hard);
  limit.rlim_cur = std::min(limit.rlim_max, soft);
  return setrlimit(resource, &limit) == 0;
}

}  // namespace

Failure Confinement::choose() {
  if (options_.memory_bytes) {
    memory_ =
        ControlGroup::make(ControlGroup::Controller::Memory, *options_.memory_bytes, group_name());
  }
  network_namespace_ = options_.no_network;
  if (!options_.processes) return {};
  processes_ =
      ControlGroup::make(ControlGroup::Controller::Processes, *options_.processes, group_name());
  if (processes_) return {};
  counts_in_namespace_ = !is_real_root() && kernel_is_at_least(5, 14);
  if (counts_in_namespace_) return {};
  return {"limits",
          "the number of processes can't be limited here: no control group could be made, and "
          "without one the kernel exempts root, or is older than 5.14. Run the server as an "
          "ordinary user or with a writable pids cgroup, or leave the limit out."};
}

unsigned long Confinement::namespaces() const {
  unsigned long flags = 0;
  if (counts_in_namespace_ || network_namespace_) flags |= CLONE_NEWUSER;
  if (network_namespace_) flags |= CLONE_NEWNET;
  return flags;
}

Failure Confinement::do_without_namespaces(int error) {
  network_namespace_ = false;
  if (!counts_in_namespace_) return {};
  return {
      "limits",
      "the number of processes can't be limited here: there is no control group, and the "
      "kernel refused a user namespace (" +
          reason(error) +
          "). Allow user namespaces (sysctl user.max_user_namespaces), or leave the limit out."};
}

bool Confinement::place(pid_t child) const {
  if (memory_ && !memory_->add(child)) return false;
  if (processes_ && !processes_->add(child)) return false;
  if (namespaces() == 0) return true;
  const std::string process = "/proc/" + std::to_string(child) + "/";
  return map_ids(process, "uid_map", geteuid()) && map_ids(process, "gid_map", getegid());
}

bool Confinement::enter_network() const {
  if (!options_.no_network) return true;
  if (!network_namespace_) return allow_only_local_sockets(EACCES);
  bring_up_loopback();
  return true;
}

bool Confinement::set_limits() const {
  const auto& [cpu, file_size] = std::pair(options_.cpu_seconds, options_.file_size_bytes);
  if (options_.memory_bytes && !memory_ &&
      !lower(RLIMIT_AS, *options_.memory_bytes, *options_.memory_bytes)) {
    return false;
  }
  // SIGXCPU first, which a program may use to say what it has; SIGKILL a second later.
  if (cpu && !lower(RLIMIT_CPU, *cpu, *cpu + 1)) return false;
  if (file_size && !lower(RLIMIT_FSIZE, *file_size, *file_size)) return false;
  return !counts_in_namespace_ || lower(RLIMIT_NPROC, *options_.processes, *options_.processes);
}

std::string Confinement::kept_by() const {
  JsonObject ways;
  if (options_.memory_bytes) ways.add("memory", memory_ ? "cgroup" : "address_space");
  if (options_.processes) ways.add("processes", processes_ ? "cgroup" : "user_namespace");
  if (options_.cpu_seconds) ways.add("cpu", "each_process");
  if (options_.file_size_bytes) ways.add("file_size", "each_process");
  if (options_.no_network) ways.add("network", network_namespace_ ? "namespace" : "socket_filter");
  const std::string object = ways.object();
  return object == "{}" ? "null" : object;
}

}  // namespace pyember::runner
