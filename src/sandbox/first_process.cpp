#include "sandbox/first_process.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

namespace pyember::sandbox {

namespace {

constexpr long kOpenProcess = 434;  // pidfd_open, which the C library's headers may not know

int exit_code(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// Ends this process when `child` has ended; true: it has not.
bool reap(pid_t child) {
  for (int status = 0;;) {
    const pid_t ended = waitpid(-1, &status, WNOHANG);
    if (ended == child) _exit(exit_code(status));
    if (ended < 0 && errno != EINTR) _exit(EXIT_FAILURE);
    if (ended == 0) return true;
  }
}

// The end of what the server reads and writes must not wait for this process.
void keep_only(int& descriptor) {
  dup2(descriptor, 0);
  descriptor = 0;
  if (syscall(SYS_close_range, 1u, ~0u, 0u) == 0) return;
  for (int each = static_cast<int>(sysconf(_SC_OPEN_MAX)) - 1; each > 0; --each) close(each);
}

// `waiting`: the signals while it waits, SIGCHLD among those that get through.
[[noreturn]] void reap_until_end_of(pid_t child, int outside, const sigset_t& waiting) {
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  keep_only(outside);
  while (reap(child)) {
    pollfd end{outside, POLLIN, 0};
    if (ppoll(&end, 1, nullptr, &waiting) <= 0) continue;
    if ((end.revents & POLLIN) != 0) _exit(128 + SIGKILL);
    outside = -1;  // it tells nothing here
  }
  _exit(EXIT_FAILURE);
}

}  // namespace

void show_own_end(int descriptor) {
  const auto self = static_cast<int>(syscall(kOpenProcess, getpid(), 0));
  if (self >= 0) dup2(self, descriptor);  // the copy stays open over exec
}

Failure stay_behind_as_first_process(int outside) {
  // Without a function of its own a signal that is ignored by default ends no wait.
  struct sigaction nothing {};
  nothing.sa_handler = [](int) {};
  sigset_t children;
  sigset_t before;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  if (sigaction(SIGCHLD, &nothing, nullptr) != 0 ||
      sigprocmask(SIG_BLOCK, &children, &before) != 0) {
    return failed("waiting for children");
  }
  const pid_t child = fork();
  if (child < 0) return failed("making a process");
  sigset_t waiting = before;
  sigdelset(&waiting, SIGCHLD);
  if (child > 0) reap_until_end_of(child, outside, waiting);
  sigprocmask(SIG_SETMASK, &before, nullptr);
  signal(SIGTERM, SIG_DFL);  // what is around the program may outlast it
  close(outside);
  return {};
}

}  // namespace pyember::sandbox
