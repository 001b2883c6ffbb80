#include "base/spawn.h"

#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/thread_affinity.h"

namespace pyember {

namespace {

// Whatever this process has open by now and did not mark itself stays here: a child that lives for
// days must not keep a client's pipe open.
void mark_descriptors_close_on_exec() {
#ifdef SYS_close_range
  constexpr unsigned kCloseOnExec = 1u << 2;  // CLOSE_RANGE_CLOEXEC
  syscall(SYS_close_range, 3u, ~0u, kCloseOnExec);
#endif
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> found;
  found.reserve(texts.size() + 1);
  for (std::string& text : texts) found.push_back(text.data());
  found.push_back(nullptr);
  return found;
}

void set_signals(posix_spawnattr_t& attributes) {
  sigset_t signals;
  sigemptyset(&signals);
  posix_spawnattr_setsigmask(&attributes, &signals);
  sigfillset(&signals);
  posix_spawnattr_setsigdefault(&attributes, &signals);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

}  // namespace

int spawn_on_its_own(std::vector<std::string> arguments, std::vector<std::string> environment,
                     const std::vector<ChildDescriptor>& descriptors, pid_t& pid,
                     const char* working_directory) {
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t files;
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_init(&files);
  set_signals(attributes);
  for (const ChildDescriptor& each : descriptors) {
    if (each.from < 0) {
      posix_spawn_file_actions_addopen(&files, each.number, "/dev/null", each.null_access, 0);
    } else {
      posix_spawn_file_actions_adddup2(&files, each.from, each.number);
    }
  }
  if (working_directory != nullptr) {
    posix_spawn_file_actions_addchdir_np(&files, working_directory);
  }
  mark_descriptors_close_on_exec();
  // The loop may be held on one CPU, and the pool's threads may have been made by a loop that was;
  // a child inherits that.
  release_this_thread_to_all_cpus();
  const std::vector<char*> argument_pointers = pointers(arguments);
  const std::vector<char*> environment_pointers = pointers(environment);
  const int failed = posix_spawn(&pid, arguments.front().c_str(), &files, &attributes,
                                 argument_pointers.data(), environment_pointers.data());
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  return failed;
}

}  // namespace pyember
