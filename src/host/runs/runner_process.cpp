#include "host/runs/runner_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/thread_affinity.h"
#include "host/loop/pool_work.h"

namespace pyember::host {

namespace {

// Whatever this process has open by now and did not mark itself: a runner that lives for days must
// not keep a client's pipe open.
void mark_descriptors_close_on_exec() {
#ifdef SYS_close_range
  constexpr unsigned kCloseOnExec = 1u << 2;  // CLOSE_RANGE_CLOEXEC
  syscall(SYS_close_range, 3u, ~0u, kCloseOnExec);
#endif
}

void add_limit(std::vector<std::string>& arguments, const char* option,
               const std::optional<std::uint64_t>& limit) {
  if (!limit) return;
  arguments.emplace_back(option);
  arguments.push_back(std::to_string(*limit));
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

Error not_started(const std::string& runner, int error) {
  return {ErrorCode::Unavailable,
          fmt::format("The run was not started: {} could not be run ({}). It belongs beside the "
                      "server's program; install pyember again, or free processes and memory.",
                      runner.empty() ? "pyember-runner" : runner, strerror(error))};
}

// posix_spawn and not uv_spawn: it copies no page tables, waits once for the new process to get a
// CPU, not twice, and may be called on any thread. `error` is 0 or an errno.
pid_t spawn(std::vector<std::string>& arguments, std::vector<std::string>& environment,
            int& error) {
  const std::vector<char*> argument_pointers = pointers(arguments);
  const std::vector<char*> environment_pointers = pointers(environment);
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
  for (int fd = 0; fd < 3; ++fd) {
    posix_spawn_file_actions_addopen(&files, fd, "/dev/null", O_RDWR, 0);
  }
  mark_descriptors_close_on_exec();
  // The pool's threads may have been made by a loop that was held on one CPU; a child inherits it.
  release_this_thread_to_all_cpus();
  pid_t pid = 0;
  error = posix_spawn(&pid, arguments.front().c_str(), &files, &attributes,
                      argument_pointers.data(), environment_pointers.data());
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  return pid;
}

// What goes to the pool's thread, and comes back.
struct Start {
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  ProcessIdentity identity;
  int error = 0;

  void run() {
    const pid_t pid = spawn(arguments, environment, error);
    if (error == 0) identity = identity_of(pid);
  }
};

}  // namespace

std::vector<std::string> runner_arguments(const std::string& runner, const std::string& folder,
                                          const RunSpec& spec) {
  std::vector<std::string> arguments{runner, "--dir", folder};
  if (!spec.working_directory.empty()) {
    arguments.insert(arguments.end(), {"--cwd", spec.working_directory});
  }
  if (spec.timeout.count() > 0) {
    arguments.insert(
        arguments.end(),
        {"--timeout", fmt::format("{:.3f}", static_cast<double>(spec.timeout.count()) / 1000)});
  }
  add_limit(arguments, "--memory", spec.limits.memory_bytes);
  add_limit(arguments, "--cpu", spec.limits.cpu_seconds);
  add_limit(arguments, "--file-size", spec.limits.file_size_bytes);
  add_limit(arguments, "--processes", spec.limits.processes);
  if (spec.limits.no_network) arguments.emplace_back("--no-network");
  if (spec.sample_interval) {
    arguments.insert(arguments.end(), {"--measure", fmt::format("{:g}", *spec.sample_interval)});
  }
  arguments.emplace_back("--");
  arguments.insert(arguments.end(), spec.command.begin(), spec.command.end());
  return arguments;
}

void RunnerProcess::start(EventLoop& loop, const std::string& runner, const std::string& folder,
                          const RunSpec& spec, Callbacks callbacks) {
  // Shared by the two functions, one of which runs after the other.
  const auto start = std::make_shared<Start>();
  start->arguments = runner_arguments(runner, folder, spec);
  start->environment.reserve(spec.environment.size());
  for (const auto& [name, value] : spec.environment) {
    start->environment.push_back(fmt::format("{}={}", name, value));
  }
  run_in_pool(
      loop, [start] { start->run(); },
      [&loop, start, callbacks = std::move(callbacks)] {
        if (start->error != 0) {
          return callbacks.started(not_started(start->arguments.front(), start->error));
        }
        callbacks.started(std::unique_ptr<RunnerProcess>(
            new RunnerProcess(loop, start->identity, callbacks.ended)));
      });
}

RunnerProcess::RunnerProcess(EventLoop& loop, ProcessIdentity identity, std::function<void()> ended)
    : identity_(std::move(identity)),
      ended_(std::move(ended)),
      watch_(loop, identity_, [this] { process_ended(); }) {}

void RunnerProcess::process_ended() {
  waitpid(identity_.pid, nullptr, WNOHANG);
  const auto callback = ended_;  // which may destroy this
  callback();
}

bool RunnerProcess::is_gone() const {
  if (waitpid(identity_.pid, nullptr, WNOHANG) == identity_.pid) return true;
  return is_reaped(identity_);
}

}  // namespace pyember::host
