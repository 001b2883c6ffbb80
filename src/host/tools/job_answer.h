#pragma once

#include <string>

#include "host/jobs/job.h"
#include "host/jobs/job_registry.h"
#include "mcp/json.h"

namespace pyember::host {

// A job as py_job_status and py_list_jobs show it (CONTRACTS A3). While it runs `output` adds
// partial_stdout and partial_stderr; null: without them.
mcp::Json describe_job(const Job& job, const JobOutput* output, std::size_t budget);

// The same for a list: long texts of its result are cut.
mcp::Json summarise_job(const Job& job);

// The exit code as a string, or "None".
std::string exit_code_text(const Job& job);
// Seconds it has run so far, or ran, with two decimals.
std::string elapsed_text(const Job& job);

std::string job_markdown(const std::string& title, const mcp::Json& status);

}  // namespace pyember::host
