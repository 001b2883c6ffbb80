#include "sandbox/rights.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "base/file_io.h"
#include "base/small_file.h"
#include "sandbox/fence.h"

namespace pyember::sandbox {

namespace {

constexpr std::size_t kLongestFilter = 4096;  // BPF_MAXINSNS

Failure set_limits(const std::vector<ResourceLimit>& limits) {
  for (const auto& [resource, value] : limits) {
    rlimit limit{};
    if (getrlimit(resource, &limit) != 0) return failed("reading a limit");
    limit.rlim_max = limit.rlim_max < value ? limit.rlim_max : value;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(resource, &limit) != 0) return failed("setting a limit");
  }
  return {};
}

// The session keyring is inherited, and /proc/keys shows it. Kernels without keyrings have nothing
// to hide.
void leave_keyring() { syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr); }

// What no later execution can give back. Needs CAP_SETPCAP unless there is nothing left to drop.
Failure empty_bounding_set() {
  for (unsigned long each = 0; each < 64; ++each) {
    const int held = prctl(PR_CAPBSET_READ, each, 0, 0, 0);
    if (held < 0) return {};  // beyond the last one this kernel knows
    if (held > 0 && prctl(PR_CAPBSET_DROP, each, 0, 0, 0) != 0) {
      return failed("dropping a capability");
    }
  }
  return {};
}

Failure become(const User& user) {
  if (setgroups(0, nullptr) != 0) return failed("leaving the groups");
  if (setresgid(user.group, user.group, user.group) != 0) return failed("changing the group");
  if (setresuid(user.user, user.user, user.user) != 0) return failed("changing the user");
  // While it can't be dumped, which a change of the user brings, its files in /proc belong to root.
  return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0 ? Failure{} : failed("changing the user");
}

// The same numbers inside; what it may do in there ends with its capabilities.
Failure enter_user_namespace(const User& user) {
  const std::string users = std::to_string(user.user);
  const std::string groups = std::to_string(user.group);
  if (unshare(CLONE_NEWUSER) != 0 || !write_small_file(AT_FDCWD, "/proc/self/setgroups", "deny") ||
      !write_small_file(AT_FDCWD, "/proc/self/uid_map", users + " " + users + " 1\n") ||
      !write_small_file(AT_FDCWD, "/proc/self/gid_map", groups + " " + groups + " 1\n")) {
    return failed("making a user namespace to count processes in");
  }
  return {};
}

Failure change_user(const Options& options) {
  if (!options.user) return {};
  if (auto failure = empty_bounding_set()) return failure;
  if (auto failure = become(*options.user)) return failure;
  return options.processes ? enter_user_namespace(*options.user) : Failure{};
}

// Behind a fence an ordinary user has none, and may not empty what bounds those he can't get either,
// without new privileges.
Failure drop_capabilities(bool fenced) {
  if (auto failure = empty_bounding_set(); failure && !(fenced && errno == EPERM)) return failure;
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  return syscall(SYS_capset, &header, none) == 0 ? Failure{} : failed("dropping capabilities");
}

Failure load_filter(int descriptor) {
  struct stat status {};
  if (fstat(descriptor, &status) != 0) return failed("reading the seccomp filter");
  const auto size = static_cast<std::size_t>(status.st_size);
  const std::string bytes = read_at(descriptor, 0, size);
  close(descriptor);
  const std::size_t count = size / sizeof(sock_filter);
  if (count == 0 || count > kLongestFilter || bytes.size() != count * sizeof(sock_filter)) {
    errno = EINVAL;
    return failed("reading the seccomp filter");
  }
  std::vector<sock_filter> steps(count);
  std::memcpy(steps.data(), bytes.data(), bytes.size());
  const sock_fprog program{static_cast<unsigned short>(count), steps.data()};
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0
             ? Failure{}
             : failed("loading the seccomp filter");
}

}  // namespace

Failure give_up_rights(const Options& options) {
  if (auto failure = set_limits(options.limits)) return failure;
  if (options.confine) leave_keyring();
  if (auto failure = change_user(options)) return failure;
  if (options.processes) {
    if (auto failure = set_limits({{RLIMIT_NPROC, *options.processes}})) return failure;
  }
  if (!options.confine) return {};
  const bool fenced = !options.may_read.empty() || !options.may_change.empty();
  if (auto failure = drop_capabilities(fenced)) return failure;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("giving up new privileges");
  if (auto failure = put_up_fence(options)) return failure;
  return load_filter(options.filter);
}

}  // namespace pyember::sandbox
