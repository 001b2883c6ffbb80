#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "host/benchmark/benchmark_plan.h"
#include "host/jobs/job_registry.h"
#include "host/loop/uv_handle.h"
#include "host/scripts/script_preparer.h"
#include "host/services/python_services.h"
#include "host/tools/script_runs.h"
#include "host/tools/tool_answer.h"
#include "mcp/tool.h"

namespace pyember::host {

// Where measured runs are started, and what looks into them.
struct BenchmarkPlaces {
  std::string runner;           // absolute path of pyember-runner
  std::string jobs_directory;   // the registry's, for the samples of a single run
  std::string profiler_script;  // mcp_services/run_profiled.py
};

struct BenchmarkOptions {
  RunOptions run;  // its mode is Foreground or Pending
  BenchmarkSettings settings;
  double sample_interval = 0.05;
  std::size_t profile_limit = 20;
  std::string profile_order = "cumulative";
};

// The calls of benchmark_script and run_script_profile under way. As with other runs (ScriptRuns),
// what ends while its caller waits is answered whole and leaves no job behind. A single run is a
// run of the registry's and survives this server; a benchmark of many runs is one piece of work
// and does not. Cancelling the call cancels what it started. A call that becomes a task has a job
// that stays, and waits for its end. Loop's thread only.
class BenchmarkCalls {
 public:
  BenchmarkCalls(EventLoop& loop, JobRegistry& jobs, ScriptPreparer& preparer,
                 PythonServices& services, BenchmarkPlaces places);
  ~BenchmarkCalls();

  // `candidate` is compared with `baseline` when the settings say so.
  void start(std::shared_ptr<mcp::ToolCall> call, ScriptRequest baseline,
             std::optional<ScriptRequest> candidate, BenchmarkOptions options);
  // The call is a task whose job another server has started.
  void go_on(std::shared_ptr<mcp::ToolCall> call, const Job& job, AnswerForm form);
  // The server ends in order: cancelled are benchmarks that somebody waits for, unless as a task,
  // and those of many runs, which can't go on without us.
  void cancel_foreground();

 private:
  class Run;
  void forget(std::uint64_t number);

  EventLoop& loop_;
  JobRegistry& jobs_;
  ScriptPreparer& preparer_;
  PythonServices& services_;
  const BenchmarkPlaces places_;
  std::map<std::uint64_t, std::shared_ptr<Run>> runs_;  // shared: callbacks hold them weakly
  std::vector<std::shared_ptr<Run>> over_;  // destroyed in a later turn, not in their own callbacks
  Timer sweep_;
  std::uint64_t last_number_ = 0;
};

}  // namespace pyember::host
