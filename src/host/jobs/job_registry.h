#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "host/jobs/job.h"
#include "host/loop/event_loop.h"
#include "host/runs/run_spec.h"

namespace pyember::host {

// Where a job's run leaves what can be told of it while it goes on.
struct JobTraces {
  std::string
      folder;  // of the files of the run that goes on (docs/runner.md); empty: there is none
  std::string samples;  // the file with its memory over time, which need not exist
  mcp::Json runs;       // of many runs in one job: what was measured so far; null: it is one run
};

// Something other than a run that a job stands for (a background cell). Owned by the registry
// until the job is over; its output must stay readable through `output()` as long as it is owned,
// and is copied into the job's folder when the job ends.
class JobWork {
 public:
  virtual ~JobWork() = default;
  virtual void cancel() = 0;  // must bring about JobRegistry::finish
  virtual std::unique_ptr<JobOutput> output() const = 0;
  virtual JobTraces traces() const { return {}; }
};

struct JobFilter {
  std::optional<JobStatus> status;
  std::size_t limit = 50;  // 0: all
};

struct JobPage {
  std::vector<Job> jobs;  // newest created_at first
  std::size_t total = 0;  // matches before the limit
};

// The one registry of everything that outlives its call. Durable: jobs are in the store before
// create() returns, and a server that starts later adopts the runs that go on. Several servers may
// share one store; each changes only its own jobs. Loop's thread only.
class JobRegistry {
 public:
  struct Settings {
    std::string directory;  // ~/.python_mcp/meta
    std::string runner;     // absolute path of pyember-runner
  };

  JobRegistry(EventLoop& loop, Settings settings);
  ~JobRegistry();  // runs go on; the next server adopts them

  // Opens the store and adopts what an earlier server left, if that has not been done. Every call
  // below does it first, so that a server nobody asks for jobs pays nothing. While it fails, each
  // call is refused with its error (or finds nothing), and a later one tries again.
  Result<void> open();
  bool is_open() const;
  // jobs.json says what is known now: for the end of the server.
  void flush();

  // --- making jobs ---
  // A pending job; its id is valid at once.
  Result<std::string> create(std::string tool, std::string label, mcp::Json details);
  // Starts the run of a pending job, after those that are being started already. `launched` is
  // called once, in a later turn of the loop, unless the registry is destroyed before: the runner
  // runs, and the job is Running; or an error says why not, and has ended the job as failed, unless
  // it was cancelled meanwhile. Until then the job is Pending.
  using Launched = std::function<void(Result<void>)>;
  void launch(const std::string& id, RunSpec spec, Launched launched);
  // Lets a pending job stand for something else; it is running from now on.
  void attach(const std::string& id, std::unique_ptr<JobWork> work);
  // Ends a job that is no run (attach), or that could not be launched. `result` may be null.
  void finish(const std::string& id, JobStatus status, mcp::Json result, std::string error);
  // What the tool answers for a run that ended: called before the job is marked as over, to fill
  // Job::result. Set by the tools; adopted jobs are finished through it too (by Job::tool).
  using ResultMaker = std::function<mcp::Json(const Job& job, const JobOutput& output)>;
  void on_result(ResultMaker maker);

  void set_progress(const std::string& id, mcp::Json progress);
  // What was not known when the job was created (its interpreter, its packages).
  void set_details(const std::string& id, mcp::Json details);

  // --- following jobs ---
  using Ended = std::function<void(const Job&)>;
  // Calls back once, in a later turn of the loop, when the job is over (also if it already is).
  // The returned number may be given to unwatch.
  std::uint64_t watch_end(const std::string& id, Ended ended);
  void unwatch(std::uint64_t watch);
  // Called, at most every limits::kJobOutputPeriod for each job, when there is more output, and
  // when it is over. Only jobs somebody wants to hear of are looked at; `wanted` empty: all of
  // them.
  using OutputCallback = std::function<void(const std::string& id)>;
  using OutputWanted = std::function<bool(const std::string& id)>;
  void on_output(OutputCallback callback, OutputWanted wanted = {});

  std::optional<Job> find(std::string_view id);
  JobPage list(const JobFilter& filter);
  std::unique_ptr<JobOutput> output(std::string_view id);
  JobTraces traces(std::string_view id);

  // --- ending and forgetting jobs ---
  // TERM, grace, KILL on the whole tree. The job is Cancelled at once for every reader; the
  // callback of watch_end comes when its process is gone. Another server's run is asked to end, and
  // its server says that it did. Codes: NotFound; InvalidArgument: not running.
  Result<void> cancel(const std::string& id);
  // Removes jobs that are over: created before `older_than` (Unix seconds) and of one of these
  // statuses. How many were removed.
  std::size_t prune(const std::vector<JobStatus>& statuses, double older_than);
  std::size_t remove(const std::vector<std::string>& ids);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pyember::host
