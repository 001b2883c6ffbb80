#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "host/loop/uv_handle.h"
#include "host/runs/process_identity.h"
#include "host/runs/run_spec.h"

namespace pyember::host {

// A runner that this server started (docs/runner.md). It is a session of its own and inherits no
// descriptor, so it lives on when this object, or the whole server, is gone; while we live, its end
// is told once and its zombie is reaped. Loop's thread only.
class RunnerProcess {
 public:
  // `folder` is the job's and exists. An error when the program could not be started.
  static Result<std::unique_ptr<RunnerProcess>> start(EventLoop& loop, const std::string& runner,
                                                      const std::string& folder,
                                                      const RunSpec& spec,
                                                      std::function<void()> ended);
  const ProcessIdentity& identity() const { return identity_; }

 private:
  RunnerProcess(EventLoop& loop, std::function<void()> ended);

  UvHandle<uv_process_t> handle_;
  std::function<void()> ended_;
  ProcessIdentity identity_;
};

// The runner's command line for a run (without the program's environment, which is secret).
std::vector<std::string> runner_arguments(const std::string& runner, const std::string& folder,
                                          const RunSpec& spec);

}  // namespace pyember::host
