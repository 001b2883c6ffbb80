#pragma once

#include "host/tools/benchmark_calls.h"
#include "mcp/tool.h"

namespace pyember::host {

struct BenchmarkParts {
  BenchmarkCalls& calls;
  bool extended = false;          // profile full
  std::size_t output_budget = 0;  // characters of output in one answer
};

// benchmark_script; with `extended` its parameters beyond the contract, and run_script_profile.
void add_benchmark_tools(mcp::ToolCatalog& catalog, const BenchmarkParts& parts);

}  // namespace pyember::host
