#include "host/runs/runner_process.h"

#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

#include "base/thread_affinity.h"
#include "host/loop/child_signal.h"

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

Error not_started(const std::string& runner, int status) {
  return {ErrorCode::Unavailable,
          fmt::format("The run was not started: {} could not be run ({}). It belongs beside the "
                      "server's program; install pyember again, or free processes and memory.",
                      runner, uv_strerror(status))};
}

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

RunnerProcess::RunnerProcess(EventLoop& loop, std::function<void()> ended)
    : handle_(loop), ended_(std::move(ended)) {}

Result<std::unique_ptr<RunnerProcess>> RunnerProcess::start(EventLoop& loop,
                                                            const std::string& runner,
                                                            const std::string& folder,
                                                            const RunSpec& spec,
                                                            std::function<void()> ended) {
  std::vector<std::string> arguments = runner_arguments(runner, folder, spec);
  std::vector<std::string> environment;
  environment.reserve(spec.environment.size());
  for (const auto& [name, value] : spec.environment) environment.push_back(name + "=" + value);
  std::vector<char*> argument_pointers = pointers(arguments);
  std::vector<char*> environment_pointers = pointers(environment);

  uv_process_options_t options{};
  options.file = arguments.front().c_str();
  options.args = argument_pointers.data();
  options.env = environment_pointers.data();
  options.flags = UV_PROCESS_DETACHED;  // a session of its own: no signal of our terminal's
  uv_stdio_container_t streams[3]{};    // UV_IGNORE: /dev/null
  options.stdio = streams;
  options.stdio_count = 3;
  options.exit_cb = [](uv_process_t* process, std::int64_t, int) {
    auto* owner = static_cast<RunnerProcess*>(process->data);
    if (owner == nullptr) return;
    const auto callback = owner->ended_;  // which may destroy the owner
    callback();
  };

  std::unique_ptr<RunnerProcess> started(new RunnerProcess(loop, std::move(ended)));
  keep_child_signal_on_loop(loop);
  mark_descriptors_close_on_exec();
  // A run must not inherit the one CPU that the loop may share with a session just now.
  release_this_thread_to_all_cpus();
  const int status = uv_spawn(loop.raw(), started->handle_.get(), &options);
  started->handle_.opened(started.get());  // libuv wants it closed also when it failed
  if (status != 0) return not_started(runner, status);
  uv_unref(started->handle_.base());
  started->identity_ = identity_of(static_cast<pid_t>(started->handle_.get()->pid));
  return started;
}

}  // namespace pyember::host
