#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "host/output/output_store.h"
#include "host/runs/run_spec.h"
#include "mcp/json.h"

namespace pyember::host {

enum class JobStatus { Pending, Running, Completed, Failed, Cancelled };

const char* to_string(JobStatus status);  // "pending", …
std::optional<JobStatus> parse_job_status(std::string_view text);

// What a job's output is read from: a run's files, or a background cell's buffers. Bytes as they
// were written; readers decode (utf8::repaired). Any thread-less object of the loop.
class JobOutput {
 public:
  virtual ~JobOutput() = default;
  virtual std::uint64_t size(Stream stream) const = 0;  // bytes so far
  // Up to `limit` bytes from `offset` on.
  virtual std::string read(Stream stream, std::uint64_t offset, std::size_t limit) const = 0;
};

// Everything known of a job that is not its output. What is here is written to the store: nothing
// secret may be put into it. Times are Unix seconds; 0: not yet.
struct Job {
  std::string id;     // uuid4 text
  std::string label;  // for people; by default the name of the tool
  std::string tool;   // which tool started it
  JobStatus status = JobStatus::Pending;
  double created_at = 0;
  double started_at = 0;
  double completed_at = 0;
  std::string error;     // why it failed; empty: it did not
  mcp::Json result;      // what the tool would have answered (structured); null: none (yet)
  mcp::Json progress;    // {"current","total"[,"message"]}; null: none
  mcp::Json details;     // facts the tools want back: strategy, python, dependencies, stream …
  std::int64_t pid = 0;  // of the running child
  std::optional<RunEnd> end;
  bool foreign = false;  // written to jobs.json by another program: shown, never changed

  bool is_over() const { return status != JobStatus::Pending && status != JobStatus::Running; }
};

}  // namespace pyember::host
