#include "host/runs/runner_process.h"

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

void add_limit(std::vector<std::string>& arguments, const char* option,
               const std::optional<std::uint64_t>& limit) {
  if (!limit) return;
  arguments.emplace_back(option);
  arguments.push_back(std::to_string(*limit));
}

Error not_started(const std::string& runner, int error) {
  return {ErrorCode::Unavailable,
          fmt::format("The run was not started: {} could not be run ({}). It belongs beside the "
                      "server's program; install pyember again, or free processes and memory.",
                      runner.empty() ? "pyember-runner" : runner, strerror(error))};
}

// What goes to the pool's thread, and comes back.
struct Start {
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  std::vector<PassedFile> passed;
  ProcessIdentity identity;
  int error = 0;

  void run() {
    pid_t pid = 0;
    std::vector<ChildDescriptor> descriptors{{0, -1, O_RDWR}, {1, -1, O_RDWR}, {2, -1, O_RDWR}};
    std::vector<Descriptor> opened;
    for (const PassedFile& each : passed) {
      // Opened again, so that every run reads from the beginning.
      const std::string path = fmt::format("/proc/self/fd/{}", each.file->get());
      opened.emplace_back(open(path.c_str(), (each.writable ? O_RDWR : O_RDONLY) | O_CLOEXEC));
      if (!opened.back().valid()) {
        error = errno;
        return;
      }
      descriptors.push_back({each.number, opened.back().get()});
    }
    error = spawn_on_its_own(arguments, environment, descriptors, pid);
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
  if (!spec.enclosure.empty()) {
    arguments.insert(arguments.end(), {"--enclosed", std::to_string(spec.enclosure.size())});
  }
  for (const std::string& each : spec.afterwards) {
    arguments.insert(arguments.end(), {"--afterwards", each});
  }
  if (!spec.afterwards.empty()) arguments.emplace_back("--runtime");
  if (!spec.report.empty()) arguments.insert(arguments.end(), {"--report", spec.report});
  for (const PassedFile& each : spec.passed) {
    arguments.insert(arguments.end(), {"--pass", std::to_string(each.number)});
  }
  arguments.emplace_back("--");
  arguments.insert(arguments.end(), spec.enclosure.begin(), spec.enclosure.end());
  arguments.insert(arguments.end(), spec.command.begin(), spec.command.end());
  return arguments;
}

void RunnerProcess::start(EventLoop& loop, const std::string& runner, const std::string& folder,
                          const RunSpec& spec, Callbacks callbacks) {
  // Shared by the two functions, one of which runs after the other.
  const auto start = std::make_shared<Start>();
  start->arguments = runner_arguments(runner, folder, spec);
  start->passed = spec.passed;
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
