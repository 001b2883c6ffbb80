#pragma once

#include <optional>
#include <string>

#include "host/jobs/job.h"
#include "host/runs/process_identity.h"

namespace pyember::host {

// A job as jobs.json holds it: the members that every program of the store knows, in their order,
// then ours (tool, details, owner), by which a lost database is made again.

struct JobRecord {
  Job job;
  std::string partial_stdout;  // "" unless running
  std::string partial_stderr;
  std::optional<ProcessIdentity> owner;  // none: the program that wrote it says nothing of itself
};

mcp::Json to_json(const JobRecord& record);
// {"pid", "start_ticks", "boot_id"}
mcp::Json to_json(const ProcessIdentity& process);
// Nullopt: no process is named there.
std::optional<ProcessIdentity> process_identity_from(const mcp::Json& json);

// Nullopt: it is no record of a job. What is missing or malformed in it gets its default.
std::optional<JobRecord> job_record_from(const mcp::Json& json);

// A copy whose texts have at most `bytes` bytes each; what was cut says so.
mcp::Json with_bounded_texts(const mcp::Json& json, std::size_t bytes);

}  // namespace pyember::host
