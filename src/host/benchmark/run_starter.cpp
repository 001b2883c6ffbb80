#include "host/benchmark/run_starter.h"

#include <signal.h>

#include <utility>

#include "base/check.h"
#include "host/loop/child_signal.h"
#include "host/runs/run_files.h"

namespace pyember::host {

namespace {

constexpr std::chrono::seconds kLookPeriod{1};

}  // namespace

RunnerStarter::RunnerStarter(EventLoop& loop, std::string runner)
    : loop_(loop), runner_(std::move(runner)), look_timer_(loop, [this] { look(); }) {}

RunnerStarter::~RunnerStarter() {
  if (process_) kill_tree(process_->identity());
}

Result<void> RunnerStarter::start(const RunSpec& spec, const std::string& folder,
                                  std::function<void(RunEnd)> ended) {
  CHECK(!process_);
  keep_child_signal_on_loop(loop_);
  auto process = RunnerProcess::start(loop_, runner_, folder, spec, [this] { runner_ended(); });
  if (!process) return process.error();
  process_ = process.take();
  ended_ = std::move(ended);
  folder_ = folder;
  look_timer_.start(kLookPeriod, kLookPeriod);
  return {};
}

void RunnerStarter::stop() {
  if (process_) signal_process(process_->identity(), SIGTERM);
}

void RunnerStarter::look() {
  if (process_ && process_->is_gone()) runner_ended();
}

void RunnerStarter::runner_ended() {
  look_timer_.stop();
  process_.reset();
  const auto ended = std::exchange(ended_, nullptr);
  std::optional<RunEnd> end = read_exit(folder_);
  if (!end) {
    end.emplace();
    end->exit_code = -SIGKILL;
    end->error = "The run's runner was killed before it could record how the run ended.";
    end->error_kind = "lost";
  }
  ended(std::move(*end));  // may destroy this
}

}  // namespace pyember::host
