#pragma once

#include <string>

#include "host/jobs/job_registry.h"
#include "host/scripts/script_library.h"
#include "host/services/python_services.h"
#include "host/tools/profile.h"
#include "host/tools/script_runs.h"
#include "mcp/tool.h"

// The script executor's tools (CONTRACTS, part A). Each answers in markdown unless
// markdown_output=false, with the same facts as structured content.
namespace pyember::host {

struct ExecutorParts {
  ScriptRuns& runs;
  JobRegistry& jobs;
  ScriptLibrary& library;
  PythonServices& services;
  bool extended = false;          // profile full: parameters beyond the contract
  std::size_t output_budget = 0;  // characters of output in one answer
};

// run_script_in_dir, run_script_with_dependencies, both *_async, py_run_saved_script.
void add_execution_tools(mcp::ToolCatalog& catalog, const ExecutorParts& parts);
// py_list_scripts, py_view_script, py_save_script.
void add_library_tools(mcp::ToolCatalog& catalog, const ExecutorParts& parts);
// list_running_jobs, get_job_output, kill_job, cleanup_jobs, py_job_status, py_list_jobs,
// py_cancel_job, py_prune_jobs.
void add_job_tools(mcp::ToolCatalog& catalog, const ExecutorParts& parts);

}  // namespace pyember::host
