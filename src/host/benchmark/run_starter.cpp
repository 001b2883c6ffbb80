#include "host/benchmark/run_starter.h"

#include <signal.h>

#include <utility>

#include "base/check.h"
#include "host/loop/child_signal.h"
#include "host/runs/run_files.h"

namespace pyember::host {

namespace {

constexpr std::chrono::seconds kLookPeriod{1};

RunEnd not_started(std::string why) {
  RunEnd end;
  end.exit_code = 127;
  end.error = std::move(why);
  end.error_kind = "internal";
  return end;
}

}  // namespace

RunnerStarter::RunnerStarter(EventLoop& loop, std::string runner)
    : loop_(loop), runner_(std::move(runner)), look_timer_(loop, [this] { look(); }) {}

RunnerStarter::~RunnerStarter() {
  if (process_) kill_tree(process_->identity());
}

void RunnerStarter::start(const RunSpec& spec, const std::string& folder,
                          std::function<void(RunEnd)> ended) {
  CHECK(!process_ && !starting_);
  keep_child_signal_on_loop(loop_);
  starting_ = true;
  stop_when_started_ = false;
  ended_ = std::move(ended);
  folder_ = folder;
  const std::weak_ptr<bool> alive = alive_;
  RunnerProcess::start(loop_, runner_, folder, spec,
                       {[this, alive](Result<std::unique_ptr<RunnerProcess>> process) {
                          if (!alive.expired()) return started(std::move(process));
                          if (process) kill_tree(process.value()->identity());
                        },
                        [this] { runner_ended(); }});
}

void RunnerStarter::started(Result<std::unique_ptr<RunnerProcess>> process) {
  starting_ = false;
  if (!process) {
    const auto ended = std::exchange(ended_, nullptr);
    return ended(not_started(process.error().message));  // may destroy this
  }
  process_ = process.take();
  look_timer_.start(kLookPeriod, kLookPeriod);
  if (stop_when_started_) stop();
}

void RunnerStarter::stop() {
  stop_when_started_ = starting_;
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
