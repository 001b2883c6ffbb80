#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "host/jobs/job_folders.h"
#include "host/jobs/job_registry.h"
#include "host/jobs/job_store.h"
#include "host/jobs/jobs_file_writer.h"
#include "host/jobs/live_job.h"

namespace pyember::host {

// The registry's inside. The order that makes it durable: what a job becomes is first in the
// store, then it happens (a job is written as a run before its runner is started, and as running
// once the runner runs; a pending or running job without a runner is therefore one that never
// began). How a run ended is in its folder before we hear of it, so that a server which dies in
// between changes nothing.
//
//   job_registry.cpp     jobs are made, listed and forgotten
//   job_runs.cpp         runs are started, watched, ended, cancelled
//   job_adoption.cpp     the store is opened; jobs of dead servers are taken over
//   job_publication.cpp  what others see: watchers, listeners, jobs.json
class JobRegistry::Impl {
 public:
  Impl(EventLoop& loop, Settings settings);

  Result<void> open();
  bool is_open() const { return store_ != nullptr; }

  Result<std::string> create(std::string tool, std::string label, mcp::Json details);
  void launch(const std::string& id, RunSpec spec, Launched launched);
  void attach(const std::string& id, std::unique_ptr<JobWork> work);
  void finish(const std::string& id, JobStatus status, mcp::Json result, std::string error);
  void set_details(const std::string& id, mcp::Json details);
  void set_progress(const std::string& id, mcp::Json progress);
  Result<void> cancel(const std::string& id);

  std::optional<Job> find(std::string_view id);
  JobPage list(const JobFilter& filter);
  std::unique_ptr<JobOutput> output(std::string_view id);
  JobTraces traces(std::string_view id);
  std::size_t prune(const std::vector<JobStatus>& statuses, double older_than);
  std::size_t remove(const std::vector<std::string>& ids);

  std::uint64_t watch_end(const std::string& id, Ended ended);
  void unwatch(std::uint64_t watch) { watches_.erase(watch); }
  void on_output(OutputCallback callback, OutputWanted wanted);
  void flush();

  ResultMaker result_maker;

 private:
  struct Watch {
    std::string id;
    Ended ended;
  };
  struct Listener {
    OutputCallback callback;
    OutputWanted wanted;
  };
  struct Launch {
    std::string id;
    RunSpec spec;
    Launched launched;
    double began_at = 0;  // before its runner is started: the run may end before we hear of it
  };
  using LiveJobs = std::map<std::string, LiveJob, std::less<>>;

  // --- job_registry.cpp
  bool save(LiveJob& live);
  LiveJob* live(std::string_view id);
  void forget(const std::vector<std::string>& ids);
  void keep_bounds();
  void learn_child(LiveJob& live);
  void append_foreign(JobPage& page, const JobFilter& filter);

  // --- job_runs.cpp
  void begin_launches();
  void let_others_run(std::chrono::duration<double> start);
  Result<void> begin(Launch& launch);
  void runner_started(const Launch& launch, Result<std::unique_ptr<RunnerProcess>> started);
  void run_ended(const std::string& id);
  void conclude_run(LiveJob& live, std::optional<RunEnd> end, const std::string& lost);
  void conclude(LiveJob& live);
  void ask_to_end(LiveJob& live);
  void look_after(const std::string& id, std::uint64_t now);
  void look_for_runner(LiveJob& live, std::uint64_t now);
  bool runner_is_gone(const LiveJob& live) const;

  // --- job_adoption.cpp
  Result<void> open_store();
  void adopt_orphans();
  void adopt(StoredJob stored);
  void adopt_run(LiveJob& job);
  void import_lost(const std::vector<JobRecord>& records);
  void take_foreign(JobsFile::Content content);
  void refresh_foreign();

  // --- job_publication.cpp
  void tick();
  void wake_tick();
  void tell_listeners(const std::string& id, LiveJob& live);
  void tell_listeners_of_end(const std::string& id);
  void look_at_partials(LiveJob& live, std::uint64_t now);
  void look_at_others_jobs();
  void tell_ended(const Job& job);
  void deliver();
  void changed(const std::string& id);
  JobsFile::Change collect();
  void file_written(const JobsFile::Change& change, Result<JobsFile::Content> outcome);

  EventLoop& loop_;
  const Settings settings_;
  const JobFolders folders_;
  const JobsFile file_;
  std::unique_ptr<JobStore> store_;
  std::optional<JobsFileWriter> writer_;
  std::optional<Error> refusal_;
  std::uint64_t retry_open_at_ns_ = 0;

  LiveJobs live_;
  std::map<std::string, JobRecord, std::less<>> foreign_;
  JobsFile::Stamp foreign_stamp_;

  std::deque<Launch> launches_;  // that wait for their turn
  bool starting_ = false;        // a runner is being started
  // Gone with us: what comes back from the pool then finds nobody.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

  std::uint64_t next_watch_ = 1;
  std::map<std::uint64_t, Watch> watches_;
  std::vector<std::pair<std::uint64_t, Job>> due_;   // ends to be told in the next turn
  std::vector<std::pair<Launched, Error>> refused_;  // launches that failed, to be told then too
  std::vector<Listener> listeners_;

  std::set<std::string> changed_;                  // not yet in jobs.json
  std::set<std::string> removed_;                  // still in jobs.json
  std::unordered_set<std::string> known_to_file_;  // that may stand in there
  bool fail_orphans_ = false;                      // with the next write
  bool reread_ = false;
  std::vector<std::unique_ptr<JobWork>> retired_;  // until the next turn
  std::uint64_t concluded_ = 0;

  Timer launch_timer_;  // active: a pause between two starts
  Timer tick_timer_;
  Timer due_timer_;
  Timer orphan_timer_;
};

}  // namespace pyember::host
