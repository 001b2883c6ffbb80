#include "runner/keeper.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/limits.h"
#include "runner/clock.h"
#include "runner/process_tree.h"

namespace pyember::runner {
namespace {

void kill_all_descendants() {
  const auto give_up = monotonic_ns() + nanoseconds(limits::kKillDeadline);
  while (monotonic_ns() < give_up) {
    signal_descendants(SIGKILL);
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    if (waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD) return;
    usleep(static_cast<useconds_t>(nanoseconds(limits::kFirstKillPause) / 1000));
  }
}

int wait_passing_signals_on(pid_t worker) {
  sigset_t awaited;
  sigemptyset(&awaited);
  sigaddset(&awaited, SIGCHLD);
  sigaddset(&awaited, SIGTERM);
  sigaddset(&awaited, SIGINT);
  int status = 0;
  while (waitpid(worker, &status, WNOHANG) != worker) {
    const int signal = sigwaitinfo(&awaited, nullptr);
    if (signal == SIGTERM || signal == SIGINT) kill(worker, SIGTERM);
  }
  return status;
}

}  // namespace

KeptEnd keep(bool adopts, const std::function<int()>& work) {
  const pid_t keeper = getpid();
  const pid_t worker = fork();
  if (worker < 0) return {false, work()};  // which will hardly get a process either, and say so
  if (worker == 0) {
    if (adopts) prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != keeper) _exit(1);
    _exit(work());
  }
  const int status = wait_passing_signals_on(worker);
  if (WIFEXITED(status)) return {false, WEXITSTATUS(status)};
  kill_all_descendants();
  return {true, 0};
}

}  // namespace pyember::runner
