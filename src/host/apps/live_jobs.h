#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/jobs/job_registry.h"
#include "host/jobs/job_resources.h"
#include "host/loop/event_loop.h"
#include "mcp/resources.h"

namespace pyember::host {

// What a job-view URI names.
struct JobViewAddress {
  std::string id;
  StreamCursor since;
};
std::optional<JobViewAddress> parse_job_view_uri(std::string_view uri);

// The resource template job-view://{job_id}{?since}: all that a view of a job shows, as JSON, in
// one read; views read it again and again while the job runs (docs/apps.md has its members). Costs
// nothing until it is read. Reading never changes a job. Loop's thread only; what is read of /proc
// and of files is read on the pool.
class LiveJobs final : public mcp::ResourceCatalog {
 public:
  static constexpr std::string_view kScheme = "job-view://";

  // Both outlive it.
  LiveJobs(EventLoop& loop, JobRegistry& jobs) : loop_(loop), jobs_(jobs) {}

  // Jobs come and go; they are found with py_list_jobs.
  std::vector<mcp::Resource> list(std::string_view, std::size_t) override { return {}; }
  std::vector<mcp::ResourceTemplate> templates() override;
  void read(std::string_view uri, mcp::ReadCompletion done) override;
  bool subscribable(std::string_view) override { return false; }

 private:
  EventLoop& loop_;
  JobRegistry& jobs_;
};

}  // namespace pyember::host
