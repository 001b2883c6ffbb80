#pragma once

#include <functional>
#include <optional>
#include <string>

#include "host/environments/environments.h"
#include "host/jobs/job_registry.h"
#include "host/loop/event_loop.h"
#include "host/scripts/script_boundaries.h"
#include "host/scripts/script_library.h"
#include "host/scripts/script_preparer.h"
#include "host/services/python_services.h"
#include "host/tools/benchmark_calls.h"
#include "host/tools/progress.h"
#include "host/tools/script_runs.h"
#include "mcp/tool.h"

namespace pyember::host {

// What the tool that started a job's run answers for it (JobRegistry::on_result); also for jobs
// that another server started, so nothing is known but what the job says.
mcp::Json job_result(const Job& job, const JobOutput& output);

// The error of a task whose job's tool this server does not have.
mcp::RpcError no_tool_for(const Job& job);

// Everything between the script executor's tools and the jobs of one principal: scripts on disk,
// calls under way. A part of its Workspace. Costs nothing until a tool is called. Loop's thread
// only.
class ScriptExecutor {
 public:
  struct Settings {
    std::string project_root;    // where scripts are kept
    std::string jobs_directory;  // of the jobs, where benchmarks keep their runs
    // What scripts behind an imposed boundary may write to; empty: the server's working directory.
    std::string own_directory = {};
    std::size_t output_budget = 0;
    bool extended = false;  // profile full
    std::function<BoundaryRooms&()> boundaries = {};
    std::optional<Boundary> scripts_boundary = {};  // --sandbox-scripts
    CallerPaths named = {};                         // what calls may name
  };

  // All outlive it.
  ScriptExecutor(EventLoop& loop, PythonServices& services, Environments& environments,
                 JobRegistry& jobs, ProgressTicker& ticker, const Settings& settings);

  void add_tools(mcp::ToolCatalog& catalog);
  const ScriptLibrary& library() const { return library_; }
  // The call is a task, and this the job it waits for, which another server has started: it is
  // answered as the tool would have.
  void go_on(const Job& job, std::shared_ptr<mcp::ToolCall> call);
  // The server ends in order: what somebody waits for is cancelled; background jobs go on.
  void cancel_foreground();
  // What was put off is done: the last thing before the end.
  void tidy();

 private:
  EventLoop& loop_;
  JobRegistry& jobs_;
  ProgressTicker& ticker_;
  const Settings settings_;
  ScriptLibrary library_;
  PythonServices& services_;
  Environments& environments_;
  const ScriptBoundaries boundaries_;
  ScriptPreparer preparer_;
  ScriptRuns runs_;
  BenchmarkCalls benchmarks_;
  const mcp::ToolCatalog* catalog_ = nullptr;  // that has our tools
};

}  // namespace pyember::host
