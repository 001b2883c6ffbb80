#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/jobs/job_registry.h"
#include "mcp/resources.h"

namespace pyember::host {

// How far a reader has come in both streams of a job, in bytes: "OUT-ERR", or "0" for the start.
struct StreamCursor {
  std::uint64_t out = 0;
  std::uint64_t err = 0;
};
std::optional<StreamCursor> parse_stream_cursor(std::string_view text);
std::string to_string(const StreamCursor& cursor);

// What a job-stream URI names.
struct JobStreamAddress {
  std::string id;
  std::optional<StreamCursor> since;  // none: the whole output
};
std::optional<JobStreamAddress> parse_job_stream_uri(std::string_view uri);
std::string job_stream_uri(std::string_view id);

// A piece of a job's output as text, and where it ends.
struct StreamText {
  std::string out;
  std::string err;
  StreamCursor cursor;        // read on from here
  bool more = false;          // there is more by now
  std::uint64_t skipped = 0;  // bytes left out before the beginning of `out` and `err`
};
// What came after `since`: at most limits::kJobReadBytes of each stream. A character that is not
// whole yet waits for its rest, as long as the job runs.
StreamText read_since(const JobOutput& output, StreamCursor since, bool is_over);
// Everything, or the last limits::kJobSnapshotBytes of each stream.
StreamText read_snapshot(const JobOutput& output, bool is_over);

// The resource template job-stream://{job_id}: what a job has printed, as text, while it runs and
// afterwards; with ?since=CURSOR only what is new. Reading never changes a job. An unknown id is
// no error of the protocol but a text that says so. Loop's thread only.
class JobResources final : public mcp::ResourceCatalog {
 public:
  static constexpr std::string_view kScheme = "job-stream://";

  explicit JobResources(JobRegistry& jobs) : jobs_(jobs) {}

  std::vector<mcp::Resource> list(std::string_view after, std::size_t limit) override;
  std::vector<mcp::ResourceTemplate> templates() override;
  void read(std::string_view uri, mcp::ReadCompletion done) override;
  bool subscribable(std::string_view uri) override;

 private:
  Result<std::vector<mcp::ResourceContent>> content(std::string_view uri);

  JobRegistry& jobs_;
};

}  // namespace pyember::host
