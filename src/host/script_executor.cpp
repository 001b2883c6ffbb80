#include "host/script_executor.h"

#include <fmt/format.h>

#include <utility>

#include "base/limits.h"
#include "host/options.h"
#include "host/tools/benchmark_answer.h"
#include "host/tools/benchmark_tools.h"
#include "host/tools/executor_tools.h"
#include "host/tools/quality_tools.h"
#include "host/tools/run_answer.h"
#include "mcp/json_members.h"

namespace pyember::host {

mcp::Json job_result(const Job& job, const JobOutput& output) {
  mcp::Json result = run_result(job, output);
  if (job.tool == "benchmark_script" && result.is_object()) add_figures(result, *job.end);
  return result;
}

mcp::RpcError no_tool_for(const Job& job) {
  return {
      mcp::RpcCode::InternalError,
      fmt::format("The task goes on as job {}, but this server has no tool {} to answer for it. "
                  "Ask for the job, or start the server with the profile it had.",
                  job.id, job.tool),
      {}};
}

ScriptExecutor::ScriptExecutor(EventLoop& loop, PythonServices& services,
                               Environments& environments, JobRegistry& jobs,
                               ProgressTicker& ticker, const Settings& settings)
    : loop_(loop),
      jobs_(jobs),
      ticker_(ticker),
      settings_(settings),
      library_({settings.project_root, limits::kAutosavedScripts, limits::kAutosavedBytes}),
      services_(services),
      environments_(environments),
      boundaries_(settings.boundaries, settings.scripts_boundary, settings.own_directory,
                  settings.named),
      preparer_(loop, library_, services_, environments_, boundaries_),
      runs_(loop, jobs, preparer_, library_, ticker),
      benchmarks_(loop, jobs, preparer_, services_,
                  {find_runner(), settings.jobs_directory,
                   find_runtime_directory() + "/mcp_services/run_profiled.py"}) {
  jobs_.on_result(job_result);
}

void ScriptExecutor::add_tools(mcp::ToolCatalog& catalog) {
  catalog_ = &catalog;
  const ExecutorParts parts{
      runs_, jobs_, library_, services_, settings_.extended, settings_.output_budget};
  add_execution_tools(catalog, parts);
  add_benchmark_tools(catalog, {benchmarks_, settings_.extended, settings_.output_budget});
  add_library_tools(catalog, parts);
  add_job_tools(catalog, parts);
  if (!settings_.extended) return;
  add_quality_tools(catalog, {loop_, environments_, ticker_, settings_.named});
  // Named environments are the server's, and made by programs that packages bring along: not for
  // callers who are kept apart.
  if (settings_.named.any) add_environment_tools(catalog, {loop_, environments_, ticker_});
}

void ScriptExecutor::go_on(const Job& job, std::shared_ptr<mcp::ToolCall> call) {
  const mcp::ToolCatalog::Entry* entry = catalog_ != nullptr ? catalog_->find(job.tool) : nullptr;
  if (entry == nullptr) return call->fail(no_tool_for(job));
  AnswerForm form{entry->tool.name, entry->tool.title, RunFacts::from_json(job.details).markdown};
  if (mcp::flag_in(job.details, "benchmark")) {
    benchmarks_.go_on(std::move(call), job, std::move(form));
  } else {
    runs_.go_on(std::move(call), job, std::move(form));
  }
}

void ScriptExecutor::cancel_foreground() {
  runs_.cancel_foreground();
  benchmarks_.cancel_foreground();
}

void ScriptExecutor::tidy() { runs_.tidy(); }

}  // namespace pyember::host
