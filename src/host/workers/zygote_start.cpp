#include "host/workers/zygote_start.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "base/thread_affinity.h"
#include "host/options.h"

extern char** environ;

namespace pyember::host {

namespace {

constexpr int kControlNumber = 3;  // in the zygote

// Whatever this process has open and did not mark itself stays here.
void mark_descriptors_close_on_exec() {
#ifdef SYS_close_range
  constexpr unsigned kCloseOnExec = 1u << 2;  // CLOSE_RANGE_CLOEXEC
  syscall(SYS_close_range, 3u, ~0u, kCloseOnExec);
#endif
}

std::vector<std::string> zygote_environment(const std::string& runtime_directory) {
  std::vector<std::string> found{"PYTHONPATH=" + runtime_directory,
                                 "PYEMBER_BUNDLED=" + find_bundled_directory()};
  for (char** each = environ; each != nullptr && *each != nullptr; ++each) {
    const std::string_view entry = *each;
    const std::string_view name = entry.substr(0, entry.find('='));
    if (name != "PYTHONPATH" && name != "PYTHONHOME" && name != "PYEMBER_BUNDLED")
      found.emplace_back(entry);
  }
  return found;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> found;
  found.reserve(texts.size() + 1);
  for (std::string& text : texts) found.push_back(text.data());
  found.push_back(nullptr);
  return found;
}

// 0, or an errno. posix_spawn and not uv_spawn: see runner_process.cpp.
int spawn(std::vector<std::string> arguments, std::vector<std::string> environment, int control,
          int log, pid_t& pid) {
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t files;
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_init(&files);
  sigset_t signals;
  sigemptyset(&signals);
  posix_spawnattr_setsigmask(&attributes, &signals);
  sigfillset(&signals);
  posix_spawnattr_setsigdefault(&attributes, &signals);
  // A session of its own: no signal of our terminal's reaches it.
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, log, 1);
  posix_spawn_file_actions_adddup2(&files, log, 2);
  posix_spawn_file_actions_adddup2(&files, control, kControlNumber);
  mark_descriptors_close_on_exec();
  release_this_thread_to_all_cpus();  // the loop may be held on one CPU, which a child inherits
  const std::vector<char*> argument_pointers = pointers(arguments);
  const std::vector<char*> environment_pointers = pointers(environment);
  const int failed = posix_spawn(&pid, arguments.front().c_str(), &files, &attributes,
                                 argument_pointers.data(), environment_pointers.data());
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  return failed;
}

Error no_descriptors() {
  return {ErrorCode::Unavailable,
          "No worker could be started, because the server's descriptors have run out. Close "
          "sessions, or raise the limit on open files (ulimit -n)."};
}

}  // namespace

Result<StartedZygote> start_zygote(const std::string& python,
                                   const std::string& runtime_directory) {
  std::array<int, 2> sockets{-1, -1};
  std::array<int, 2> pipes{-1, -1};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets.data()) != 0) {
    return no_descriptors();
  }
  Descriptor control(sockets[0]);
  const Descriptor control_there(sockets[1]);
  if (pipe2(pipes.data(), O_CLOEXEC) != 0) return no_descriptors();
  Descriptor log(pipes[0]);
  const Descriptor log_there(pipes[1]);
  fcntl(log.get(), F_SETFL, O_NONBLOCK);

  pid_t pid = 0;
  const std::string number = std::to_string(kControlNumber);
  const int failed =
      spawn({python, "-m", "mcp_runtime.worker", "--control", number},
            zygote_environment(runtime_directory), control_there.get(), log_there.get(), pid);
  if (failed != 0) {
    return Error{ErrorCode::Unavailable,
                 fmt::format("No worker could be started: {} could not be run ({}). Name a Python "
                             "that is installed, or make the environment again.",
                             python, strerror(failed))};
  }
  return StartedZygote{identity_of(pid), std::move(control), std::move(log)};
}

}  // namespace pyember::host
