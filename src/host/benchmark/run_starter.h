#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "host/loop/event_loop.h"
#include "host/loop/uv_handle.h"
#include "host/runs/run_spec.h"
#include "host/runs/runner_process.h"

namespace pyember::host {

// Starts one run after another, never two at once. An interface, so that a benchmark can be tested
// without processes.
class RunStarter {
 public:
  virtual ~RunStarter() = default;
  // `ended` is called once, in a later turn of the loop, also when the run could not be started
  // (RunEnd::error says why); `folder` exists and gets the files of docs/runner.md.
  virtual void start(const RunSpec& spec, const std::string& folder,
                     std::function<void(RunEnd)> ended) = 0;
  // Ends the run that is going on, if any: TERM, grace, KILL on its whole tree; `ended` follows.
  virtual void stop() = 0;
};

// By the runner program. Destroying it kills a run that is going on.
class RunnerStarter final : public RunStarter {
 public:
  RunnerStarter(EventLoop& loop, std::string runner);
  ~RunnerStarter() override;

  void start(const RunSpec& spec, const std::string& folder,
             std::function<void(RunEnd)> ended) override;
  void stop() override;

 private:
  void started(Result<std::unique_ptr<RunnerProcess>> process);
  void look();
  void runner_ended();

  EventLoop& loop_;
  const std::string runner_;
  std::unique_ptr<RunnerProcess> process_;
  std::function<void(RunEnd)> ended_;
  std::string folder_;
  bool starting_ = false;
  bool stop_when_started_ = false;
  // Gone with us: a runner that starts after that is killed.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  Timer look_timer_;  // for kernels, or containers, that do not tell of ends
};

}  // namespace pyember::host
