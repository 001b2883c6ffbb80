#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "host/loop/event_loop.h"
#include "host/runs/process_identity.h"
#include "host/runs/process_watch.h"
#include "host/runs/run_spec.h"

namespace pyember::host {

// A runner that this server started (docs/runner.md). It is a session of its own and inherits no
// descriptor, so it lives on when this object, or the whole server, is gone; while we live, its end
// is told once and its zombie is reaped. Loop's thread only.
class RunnerProcess {
 public:
  struct Callbacks {
    // An error when the program could not be started; else it runs by now, so that a job which is
    // reported from then on can't be lost. Whoever drops the process lets it go on by itself.
    std::function<void(Result<std::unique_ptr<RunnerProcess>>)> started;
    std::function<void()> ended;  // after that, as long as the RunnerProcess lives
  };
  // `folder` is the job's and exists. The program is started on a thread of libuv's pool: on a busy
  // machine it takes tens of milliseconds until a new process gets a CPU, and who starts one waits
  // for that. `started` comes in a later turn of the loop, and always: it must not refer to what
  // may be gone by then.
  static void start(EventLoop& loop, const std::string& runner, const std::string& folder,
                    const RunSpec& spec, Callbacks callbacks);
  RunnerProcess(const RunnerProcess&) = delete;
  RunnerProcess& operator=(const RunnerProcess&) = delete;

  const ProcessIdentity& identity() const { return identity_; }
  // For where the kernel does not tell of ends, and for ends that a session's waitpid(-1) took from
  // us: true when the process is gone. `ended` is not called by this.
  bool is_gone() const;

 private:
  RunnerProcess(EventLoop& loop, ProcessIdentity identity, std::function<void()> ended);
  void process_ended();

  const ProcessIdentity identity_;
  std::function<void()> ended_;
  ProcessWatch watch_;
};

// The runner's command line for a run (without the program's environment, which is secret).
std::vector<std::string> runner_arguments(const std::string& runner, const std::string& folder,
                                          const RunSpec& spec);

}  // namespace pyember::host
