#include "supervisor/supervisor.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <iterator>
#include <optional>
#include <string>

#include "base/limits.h"
#include "journal/life.h"
#include "journal/upgrade_order.h"
#include "supervisor/last_words.h"
#include "supervisor/leftovers.h"

namespace pyember::supervisor {

namespace {

using namespace std::chrono_literals;

// Servers that died one after the other without having answered anything: how long to wait before
// the next one is tried. After the last there is none.
constexpr std::chrono::milliseconds kPauses[] = {0ms, 20ms, 100ms, 400ms, 1000ms};

class Supervisor {
 public:
  Supervisor(journal::JournalMemory& memory, const std::function<int()>& serve, bool goes_on,
             LastWords last_words, const Tell& tell)
      : memory_(memory),
        life_(memory.layout()),
        order_(memory.layout()),
        serve_(serve),
        last_words_(last_words),
        tell_(tell),
        worked_(goes_on) {
    sigemptyset(&watched_);
    for (const int number : {SIGCHLD, SIGTERM, SIGINT, SIGHUP, kUpgradeSignal}) {
      sigaddset(&watched_, number);
    }
  }

  Outcome run() {
    prctl(PR_SET_NAME, kProcessName);
    adopt_orphans();
    sigprocmask(SIG_BLOCK, &watched_, &inherited_);
    if (!start()) return {{}, 1};
    for (;;) {
      siginfo_t signal{};
      if (sigwaitinfo(&watched_, &signal) < 0) continue;
      if (signal.si_signo != SIGCHLD) {
        pass_on(signal);
        continue;
      }
      if (const std::optional<int> status = reap()) {
        if (std::optional<Outcome> outcome = server_ended(*status)) {
          sigprocmask(SIG_SETMASK, &inherited_, nullptr);
          return *std::move(outcome);
        }
      }
    }
  }

 private:
  bool start() {
    life_.begin();
    const pid_t self = getpid();
    server_ = fork();
    if (server_ == 0) become_server(self);
    if (server_ > 0) return true;
    tell_(fmt::format("the server can't be started: fork: {}", std::strerror(errno)));
    return false;
  }

  [[noreturn]] void become_server(pid_t supervisor) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != supervisor) _exit(0);  // it died before the line above
    prctl(PR_SET_NAME, "pyember");
    prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
    sigprocmask(SIG_SETMASK, &inherited_, nullptr);
    _exit(serve_());
  }

  // What a terminal sends, it sends to the server as well.
  void pass_on(const siginfo_t& signal) {
    if (signal.si_signo != kUpgradeSignal) ending_ = true;
    if (signal.si_code != SI_KERNEL) kill(server_, signal.si_signo);
  }

  // The server's status when it was among those that died.
  std::optional<int> reap() {
    std::optional<int> ended;
    int status = 0;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
      if (pid == server_) ended = status;
    }
    return ended;
  }

  std::optional<Outcome> server_ended(int status) {
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    const bool upgrade = WIFEXITED(status) && code == limits::kUpgradeExitCode;
    const bool never_worked = WIFEXITED(status) && code != limits::kRestartExitCode && !worked_ &&
                              !life_.has_served() && !upgrade;
    if (life_.has_ended() || ending_ || never_worked) {
      server_ = 0;
      kill_leftovers(0);
      return Outcome{{}, life_.has_ended() ? 0 : code};
    }
    if (upgrade && order_.exists()) {
      kill_leftovers(0);
      return Outcome{order_.program(), 0};
    }
    if (life_.has_served()) {
      worked_ = true;
      failures_ = 0;
    }
    tell_(fmt::format("the server {}; starting another one", how_it_ended(status)));
    if (failures_ == std::size(kPauses)) return give_up(status);
    usleep(static_cast<useconds_t>(std::chrono::microseconds(kPauses[failures_++]).count()));
    if (!start()) return Outcome{{}, 1};
    kill_leftovers(server_);
    return std::nullopt;
  }

  Outcome give_up(int status) {
    const std::string why = fmt::format(
        "The server is not running: it died {} times, one after the other, before it could answer "
        "anything (the last one {}). See its log on stderr, mend what it names, and start "
        "pyember again; --no-supervisor shows the first death alone.",
        failures_ + 1, how_it_ended(status));
    tell_(why);
    kill_leftovers(0);
    if (last_words_ == LastWords::OnStdout) answer_everything(memory_, why);
    return {{}, limits::kGivenUpExitCode};
  }

  static std::string how_it_ended(int status) {
    if (WIFEXITED(status)) return fmt::format("ended with exit code {}", WEXITSTATUS(status));
    return fmt::format("was killed by signal {} ({})", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
  }

  journal::JournalMemory& memory_;
  journal::Life life_;
  journal::UpgradeOrder order_;
  const std::function<int()>& serve_;
  const LastWords last_words_;
  const Tell& tell_;
  sigset_t watched_{};
  sigset_t inherited_{};
  pid_t server_ = 0;
  std::size_t failures_ = 0;
  bool worked_;  // one of the servers so far has answered something
  bool ending_ = false;
};

}  // namespace

Outcome supervise(journal::JournalMemory& memory, const std::function<int()>& serve, bool goes_on,
                  LastWords last_words, const Tell& tell) {
  return Supervisor(memory, serve, goes_on, last_words, tell).run();
}

void tell_on_stderr(const std::string& sentence) { fmt::print(stderr, "pyember: {}\n", sentence); }

}  // namespace pyember::supervisor
