#include "host/benchmark/run_starter.h"

#include <signal.h>

#include <utility>

#include "base/check.h"
#include "host/loop/child_signal.h"
#include "host/runs/run_files.h"

namespace pyember::host {

RunnerStarter::RunnerStarter(EventLoop& loop, std::string runner)
    : loop_(loop), runner_(std::move(runner)) {}

RunnerStarter::~RunnerStarter() {
  if (process_) kill_tree(process_->identity());
}

Result<void> RunnerStarter::start(const RunSpec& spec, const std::string& folder,
                                  std::function<void(RunEnd)> ended) {
  CHECK(!process_);
  keep_child_signal_on_loop(loop_);
  auto process =
      RunnerProcess::start(loop_, runner_, folder, spec, [this, folder] { runner_ended(folder); });
  if (!process) return process.error();
  process_ = process.take();
  ended_ = std::move(ended);
  return {};
}

void RunnerStarter::stop() {
  if (process_) signal_process(process_->identity(), SIGTERM);
}

void RunnerStarter::runner_ended(const std::string& folder) {
  process_.reset();
  const auto ended = std::exchange(ended_, nullptr);
  std::optional<RunEnd> end = read_exit(folder);
  if (!end) {
    end.emplace();
    end->exit_code = -SIGKILL;
    end->error = "The run's runner was killed before it could record how the run ended.";
    end->error_kind = "lost";
  }
  ended(std::move(*end));  // may destroy this
}

}  // namespace pyember::host
