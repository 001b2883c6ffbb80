#include "sandbox/owned_folder.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>

#include "base/small_file.h"
#include "base/unique_fd.h"

namespace pyember::sandbox {

namespace {

// Numbers and values of calls that the C library's headers may not know.
constexpr long kOpenTree = 428;
constexpr long kMoveMount = 429;
constexpr long kChangeMount = 442;  // mount_setattr
constexpr unsigned kClone = 1;
constexpr unsigned kFromDescriptor = 4;          // MOVE_MOUNT_F_EMPTY_PATH
constexpr std::uint64_t kIdMapped = 0x00100000;  // MOUNT_ATTR_IDMAP

struct MountChange {
  std::uint64_t set = 0;
  std::uint64_t clear = 0;
  std::uint64_t propagation = 0;
  std::uint64_t namespace_descriptor = 0;
};

std::string map_of(unsigned on_disk, unsigned here) {
  return std::to_string(on_disk) + " " + std::to_string(here) + " 1\n";
}

// A user namespace is what the kernel takes an id map from. Nobody lives in it.
UniqueFd namespace_with(const std::string& users, const std::string& groups) {
  const pid_t child =
      static_cast<pid_t>(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, 0));
  if (child == 0) {
    for (;;) pause();
  }
  if (child < 0) return UniqueFd();
  const std::string process = "/proc/" + std::to_string(child) + "/";
  UniqueFd found;
  if (write_small_file(AT_FDCWD, (process + "uid_map").c_str(), users) &&
      write_small_file(AT_FDCWD, (process + "gid_map").c_str(), groups)) {
    found = UniqueFd(open((process + "ns/user").c_str(), O_RDONLY | O_CLOEXEC));
  }
  const int why = errno;
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  errno = why;
  return found;
}

bool mount_with(const std::string& path, int ids) {
  const UniqueFd tree(
      static_cast<int>(syscall(kOpenTree, AT_FDCWD, path.c_str(), kClone | O_CLOEXEC)));
  if (!tree) return false;
  MountChange change;
  change.set = kIdMapped;
  change.namespace_descriptor = static_cast<std::uint64_t>(ids);
  return syscall(kChangeMount, tree.get(), "", AT_EMPTY_PATH, &change, sizeof change) == 0 &&
         syscall(kMoveMount, tree.get(), "", AT_FDCWD, path.c_str(), kFromDescriptor) == 0;
}

}  // namespace

Failure own_folder(const std::string& path, const User& owner) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return failed("looking at " + path);
  if (status.st_uid == owner.user && status.st_gid == owner.group) return {};
  const UniqueFd ids =
      namespace_with(map_of(status.st_uid, owner.user), map_of(status.st_gid, owner.group));
  if (ids && mount_with(path, ids.get())) return {};
  return failed("giving " + path + " to the sandbox's user");
}

}  // namespace pyember::sandbox
