#include "sandbox/place.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "base/file_io.h"
#include "base/small_file.h"
#include "base/unique_fd.h"
#include "sandbox/owned_folder.h"

namespace pyember::sandbox {

namespace {

// bubblewrap has mounted it, and has perhaps bound something below it; its bounds are ours to set.
Failure bound_private(const PrivateFolder& folder, const User& owner) {
  constexpr unsigned long kFlags = MS_REMOUNT | MS_NOEXEC | MS_NOSUID | MS_NODEV;
  char bounds[96];
  std::snprintf(bounds, sizeof bounds, "size=%llu,nr_inodes=%llu",
                static_cast<unsigned long long>(folder.bytes),
                static_cast<unsigned long long>(folder.inodes));
  const char* const path = folder.path.c_str();
  if (mount(nullptr, path, nullptr, kFlags, bounds) == 0 && chmod(path, folder.mode) == 0 &&
      chown(path, owner.user, owner.group) == 0) {
    return {};
  }
  return failed("setting the bounds of " + folder.path);
}

void note(const std::string& message) {
  write_all(2, "pyember-enter: " + message + ", so code has the rights of everybody there\n");
}

Failure write_text(const TextFile& file) {
  const UniqueFd made(
      open(file.path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (made && write_all(made.get(), file.text) && fchmod(made.get(), 0644) == 0) return {};
  return failed("writing " + file.path);
}

}  // namespace

Failure join(const std::vector<std::string>& groups) {
  for (const std::string& group : groups) {
    // Version 1 lets a thread, which is all there is of us, move itself for 0.3 ms; a process waits
    // for every CPU to have noticed, 10 ms (both measured). Version 2 has the second alone.
    if (!write_small_file(AT_FDCWD, (group + "/tasks").c_str(), "0") &&
        !write_small_file(AT_FDCWD, (group + "/cgroup.procs").c_str(), "0")) {
      return failed("entering the control group " + group);
    }
  }
  return {};
}

Failure furnish(const Options& options) {
  const User owner = options.user.value_or(User{getuid(), getgid()});
  for (const PrivateFolder& folder : options.private_folders) {
    if (auto failure = bound_private(folder, owner)) return failure;
  }
  for (const TextFile& file : options.texts) {
    if (auto failure = write_text(file)) return failure;
  }
  // A file system that can't is no reason to fail: what everybody may there, the program may.
  for (const std::string& path : options.owned) {
    if (const auto failure = own_folder(path, owner)) note(failure.message);
  }
  if (!options.read_only_root) return {};
  // The mount, not the file system: what is mounted below keeps its own flags.
  constexpr unsigned long kFlags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV;
  return mount(nullptr, "/", nullptr, kFlags, nullptr) == 0 ? Failure{}
                                                            : failed("making / read-only");
}

}  // namespace pyember::sandbox
