#pragma once

#include <chrono>
#include <cstddef>

#include "host/jobs/job_registry.h"
#include "host/session/session_registry.h"
#include "host/tools/progress.h"
#include "mcp/tool.h"

namespace pyember::host {

struct RunPythonSettings {
  std::chrono::milliseconds default_timeout = limits::kDefaultTimeout;
  std::chrono::milliseconds maximum_timeout = limits::kMaximumTimeout;
  std::size_t output_budget = limits::kOutputBudgetCharacters;
  bool chooses_isolation = false;  // the profile lists isolation, dependencies, limits …
};

// The tool run_python; with background=true the cell is a job. All outlive the catalog.
mcp::Tool run_python_tool(SessionRegistry& registry, ProgressTicker& ticker, JobRegistry& jobs,
                          const RunPythonSettings& settings);

}  // namespace pyember::host
