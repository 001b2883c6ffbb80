#include "host/upstream/kept_child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/spawn.h"
#include "host/loop/pool_work.h"

namespace pyember::host {

namespace {

constexpr std::chrono::milliseconds kLookPeriod{20};
constexpr int kReapLooks = 100;
constexpr useconds_t kReapPause = 1000;

// What goes to the pool's thread, and comes back.
struct Start {
  KeptChild::Command command;
  KeptChild::Pipes pipes;
  ProcessIdentity identity;
  int error = 0;

  void run();
};

bool make_pipe(Descriptor& reading, Descriptor& writing) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  reading = Descriptor(ends[0]);
  writing = Descriptor(ends[1]);
  return true;
}

bool unblock(const Descriptor& pipe) {
  return fcntl(pipe.get(), F_SETFL, fcntl(pipe.get(), F_GETFL) | O_NONBLOCK) == 0;
}

std::vector<std::string> keeper_command(const KeptChild::Command& command) {
  std::vector<std::string> words{command.runner, "--keep", std::to_string(getpid())};
  if (!command.directory.empty()) words.insert(words.end(), {"--cwd", command.directory});
  words.emplace_back("--");
  words.insert(words.end(), command.words.begin(), command.words.end());
  return words;
}

void Start::run() {
  Descriptor input, output, errors;
  if (!make_pipe(input, pipes.input) || !make_pipe(pipes.output, output) ||
      !make_pipe(pipes.errors, errors) || !unblock(pipes.input) || !unblock(pipes.output) ||
      !unblock(pipes.errors)) {
    error = errno;
    return;
  }
  // Only ever copied to 0, 1 and 2 in the new process: none of them is one of those numbers, which
  // this program keeps open.
  const std::vector<ChildDescriptor> descriptors{
      {0, input.get()}, {1, output.get()}, {2, errors.get()}};
  pid_t pid = 0;
  error =
      spawn_on_its_own(keeper_command(command), std::move(command.environment), descriptors, pid);
  if (error == 0) identity = identity_of(pid);
}

}  // namespace

void KeptChild::start(EventLoop& loop, Command command,
                      std::function<void(Result<Started>)> started) {
  auto work = std::make_shared<Start>();  // of the pool's thread, then of the loop's
  work->command = std::move(command);
  run_in_pool(
      loop, [work] { work->run(); },
      [work, &loop, started = std::move(started)] {
        if (work->error != 0) {
          started(Error{ErrorCode::Unavailable,
                        fmt::format("{} could not be run ({})", work->command.runner,
                                    strerror(work->error))});
          return;
        }
        started(Started{std::unique_ptr<KeptChild>(new KeptChild(loop, work->identity)),
                        std::move(work->pipes)});
      });
}

KeptChild::KeptChild(EventLoop& loop, ProcessIdentity identity)
    : identity_(std::move(identity)),
      watch_(loop, identity_, [this] { look(); }),
      look_again_(loop, [this] {
        if (is_reaped(identity_) || !is_alive(identity_)) look();
      }) {
  if (!watch_.valid()) look_again_.start(kLookPeriod, kLookPeriod);
}

// The keeper needs a moment to kill what it keeps; it goes on with that when we don't wait longer,
// and is then reaped with this process.
KeptChild::~KeptChild() {
  if (over_) return;
  kill_all();
  for (int i = 0; i < kReapLooks && waitpid(identity_.pid, nullptr, WNOHANG) == 0; ++i) {
    usleep(kReapPause);
  }
}

void KeptChild::look() {
  look_again_.stop();
  int status = 0;
  if (waitpid(identity_.pid, &status, WNOHANG) == identity_.pid) status_ = status;
  over_ = true;
  // A keeper that was killed could not end what the program has started; its group can be.
  if (status_ && WIFSIGNALED(*status_)) kill(-identity_.pid, SIGKILL);
  if (const auto callback = std::exchange(ended_, nullptr)) callback();
}

std::string KeptChild::how_it_ended() const {
  if (!status_) return {};
  if (WIFEXITED(*status_)) return fmt::format("with exit code {}", WEXITSTATUS(*status_));
  return fmt::format("by signal {} ({})", WTERMSIG(*status_), strsignal(WTERMSIG(*status_)));
}

void KeptChild::ask_to_end() {
  if (!over_) signal_process(identity_, SIGTERM);
}

void KeptChild::kill_all() {
  if (!over_) signal_process(identity_, SIGQUIT);
}

}  // namespace pyember::host
