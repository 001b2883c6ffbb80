#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "host/jobs/job_store.h"
#include "host/runs/process_watch.h"
#include "host/runs/runner_process.h"

namespace pyember::host {

// A job of ours whose process, or work, goes on (or whose end could not be written yet).
struct LiveJob {
  StoredJob stored;
  std::unique_ptr<RunnerProcess> started;  // a run of this server …
  std::unique_ptr<ProcessWatch> watch;     // … or one that was adopted
  ProcessIdentity runner;                  // pid 0: not known (yet)
  std::unique_ptr<JobWork> work;
  std::vector<std::shared_ptr<const void>> held;  // RunSpec's

  bool starting = false;            // its runner is being started: there is nothing to look at yet
  bool outlived = false;            // its runner is gone and another holder of the lock is not
  bool unsaved = false;             // it is over, and the store refused to take that
  std::uint64_t adopted_at_ns = 0;  // 0: it was made here
  std::uint64_t kill_at_ns = 0;     // when its runner is killed, had it not ended by then
  std::uint64_t looked_at_ns = 0;   // when its process was last looked for
  std::uint64_t told_bytes = 0;     // of output, when listeners were last told
  std::uint64_t partial_bytes = 0;  // of output, when jobs.json last showed its ends
  std::uint64_t partials_at_ns = 0;

  Job& job() { return stored.job; }
  const Job& job() const { return stored.job; }
  bool is_run() const { return stored.kind == JobKind::Run; }
};

}  // namespace pyember::host
