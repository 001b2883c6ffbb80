#include "runner/upstream_keeper.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "runner/clock.h"
#include "runner/process_tree.h"

namespace pyember::runner {
namespace {

constexpr int kUsage = 2;
constexpr int kNotExecuted = 127;

struct Order {
  pid_t owner = 0;
  const char* directory = nullptr;  // null: ours
  char** command = nullptr;
};

bool read_order(char** argv, Order& order) {
  char** next = argv + 2;
  if (*next == nullptr) return false;
  order.owner = static_cast<pid_t>(std::atol(*next++));
  if (*next != nullptr && std::string_view(*next) == "--cwd") {
    if (next[1] == nullptr) return false;
    order.directory = next[1];
    next += 2;
  }
  if (*next == nullptr || std::string_view(*next) != "--" || next[1] == nullptr) return false;
  order.command = next + 1;
  return order.owner > 1;
}

int refuse(int code, const std::string& message) {
  const std::string line = "pyember-runner: " + message + "\n";
  return write(2, line.data(), line.size()) < 0 ? code : code;
}

void fill_awaited(sigset_t& signals) {
  sigemptyset(&signals);
  for (const int each : {SIGCHLD, SIGTERM, SIGQUIT}) sigaddset(&signals, each);
}

// We stay in the program's process group (so that the server can reach all of it when we are
// killed): what the program sends to its group must not end us before it.
void prepare_signals() {
  for (const int ignored : {SIGHUP, SIGINT, SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM}) {
    signal(ignored, SIG_IGN);
  }
  sigset_t awaited;
  fill_awaited(awaited);
  sigprocmask(SIG_SETMASK, &awaited, nullptr);
}

[[noreturn]] void become_program(const Order& order, pid_t keeper) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != keeper) _exit(kNotExecuted);
  for (int each = 1; each < NSIG; ++each) signal(each, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (order.directory != nullptr && chdir(order.directory) != 0) {
    _exit(refuse(kNotExecuted, std::string("the working directory ") + order.directory +
                                   " can't be entered: " + std::strerror(errno)));
  }
  execvp(order.command[0], order.command);
  _exit(refuse(kNotExecuted,
               std::string(order.command[0]) + " can't be executed: " + std::strerror(errno)));
}

// The pipes are the program's alone, or the server would wait for their ends in vain.
void let_go_of_pipes() {
  const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < 3; ++fd) dup2(nothing, fd);
  if (nothing > 2) close(nothing);
}

// Reaps what has ended. True: nothing is left.
bool reap(pid_t program, bool& ended, int& status) {
  for (;;) {
    int how = 0;
    const pid_t pid = waitpid(-1, &how, WNOHANG);
    if (pid < 0) return errno == ECHILD;
    if (pid == 0) return false;
    if (pid != program) continue;
    ended = true;
    status = how;
  }
}

int wait_for_signal(std::int64_t until_ns) {
  sigset_t awaited;
  fill_awaited(awaited);
  if (until_ns == 0) return sigwaitinfo(&awaited, nullptr);
  const std::int64_t left = std::max<std::int64_t>(0, until_ns - monotonic_ns());
  timespec timeout{};
  timeout.tv_sec = static_cast<time_t>(left / 1'000'000'000);
  timeout.tv_nsec = static_cast<long>(left % 1'000'000'000);
  return sigtimedwait(&awaited, nullptr, &timeout);
}

// Waits until the program and all it has started are gone; its status.
int wait_for_end(pid_t program) {
  int status = 0;
  bool ended = false;
  bool killing = false;
  std::int64_t next_ns = 0;     // when the clock brings the next step; 0: it does not
  std::int64_t give_up_ns = 0;  // of killing: what sits in the kernel can't be waited for
  while (!reap(program, ended, status)) {
    const std::int64_t now = monotonic_ns();
    if (ended && next_ns == 0) {
      signal_descendants(SIGTERM);
      next_ns = now + nanoseconds(limits::kLeftoverGrace);
    }
    if (next_ns != 0 && now >= next_ns) killing = true;
    if (killing) {
      if (give_up_ns == 0) give_up_ns = now + nanoseconds(limits::kKillDeadline);
      if (now >= give_up_ns) return status;
      signal_descendants(SIGKILL);
      next_ns = now + nanoseconds(limits::kFirstKillPause);
    }
    const int signal = wait_for_signal(next_ns);
    if (signal == SIGTERM) signal_descendants(SIGTERM);
    if (signal == SIGQUIT) {
      killing = true;
      next_ns = monotonic_ns();
    }
  }
  return status;
}

// The server learns how the program ended from how we end.
int end_like(int status) {
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  const int number = WTERMSIG(status);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  signal(number, SIG_DFL);
  sigset_t own;
  sigemptyset(&own);
  sigaddset(&own, number);
  sigprocmask(SIG_UNBLOCK, &own, nullptr);
  kill(getpid(), number);
  return 128 + number;
}

}  // namespace

bool asks_for_upstream_keeper(char** argv) {
  return argv[1] != nullptr && std::string_view(argv[1]) == "--keep";
}

int keep_upstream(char** argv) {
  Order order;
  if (!read_order(argv, order)) {
    return refuse(kUsage,
                  "the command line can't be used. Usage: pyember-runner --keep OWNER [--cwd DIR] "
                  "-- PROGRAM [ARGUMENT...].");
  }
  // Not the program's name: the supervisor spares processes called that, which are jobs.
  prctl(PR_SET_NAME, "pyember-keeper");
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  prepare_signals();
  prctl(PR_SET_PDEATHSIG, SIGQUIT);
  if (getppid() != order.owner) return kNotExecuted;
  const pid_t keeper = getpid();
  const pid_t program = fork();
  if (program < 0) {
    return refuse(kNotExecuted, std::string("no process could be made: ") + std::strerror(errno));
  }
  if (program == 0) become_program(order, keeper);
  let_go_of_pipes();
  return end_like(wait_for_end(program));
}

}  // namespace pyember::runner
