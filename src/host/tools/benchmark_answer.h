#pragma once

#include <string>

#include "host/benchmark/benchmark.h"
#include "host/tools/run_answer.h"
#include "mcp/json.h"

// What benchmark_script and run_script_profile answer, and how it is read.
namespace pyember::host {

// The figures of one run, into its result: wall_time_seconds, cpu_time_seconds, peak_rss_mb,
// peak_rss_source. What the kernel did not tell stays 0.
void add_figures(mcp::Json& result, const RunEnd& end);

// BenchmarkResult for a benchmark of many runs: medians in the contract's members, and beside them
// `measurements`, `comparison`, `profile`, as far as there are any. `job_id` is for reading output
// that did not fit.
mcp::Json benchmark_result(const RunFacts& facts, const BenchmarkOutcome& outcome,
                           const BenchmarkPlan& plan, const BenchmarkSettings& settings,
                           const std::string& job_id);

// What the profiler wrote: {"total_seconds","functions":[…]}; null: nothing that can be read.
mcp::Json read_profile(const std::string& path);

mcp::Json benchmark_result_schema(bool extended);
mcp::Json profile_schema();

std::string benchmark_markdown(const std::string& title, const mcp::Json& result);

}  // namespace pyember::host
