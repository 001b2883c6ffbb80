#include "sandbox/first_process.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace pyember::sandbox {

namespace {

int exit_code(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

[[noreturn]] void reap_until_end_of(pid_t child) {
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  // bubblewrap, outside, ends with the server; a change of the user has undone what it asked for.
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  // The end of what the server reads and writes must not wait for this process.
  if (syscall(SYS_close_range, 0u, ~0u, 0u) != 0) {
    for (int each = static_cast<int>(sysconf(_SC_OPEN_MAX)) - 1; each >= 0; --each) close(each);
  }
  for (int status = 0;;) {
    const pid_t ended = waitpid(-1, &status, 0);
    if (ended == child) _exit(exit_code(status));
    if (ended < 0 && errno != EINTR) _exit(1);
  }
}

}  // namespace

Failure stay_behind_as_first_process() {
  const pid_t child = fork();
  if (child < 0) return failed("making a process");
  if (child > 0) reap_until_end_of(child);
  return {};
}

}  // namespace pyember::sandbox
