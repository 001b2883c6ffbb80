#pragma once

#include <chrono>
#include <cstddef>

#include "host/session/session_registry.h"
#include "host/tools/progress.h"
#include "mcp/tool.h"

namespace pyember::host {

struct RunPythonSettings {
  std::chrono::milliseconds default_timeout = limits::kDefaultTimeout;
  std::chrono::milliseconds maximum_timeout = limits::kMaximumTimeout;
  std::size_t output_budget = limits::kOutputBudgetCharacters;
};

// The tool run_python. All three outlive the catalog.
mcp::Tool run_python_tool(SessionRegistry& registry, ProgressTicker& ticker,
                          const RunPythonSettings& settings);

}  // namespace pyember::host
