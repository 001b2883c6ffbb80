#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "base/iso_time.h"
#include "base/limits.h"
#include "host/jobs/job_registry_impl.h"
#include "host/runs/run_files.h"

// How a run of the registry begins, goes on and ends.

namespace pyember::host {

namespace {

constexpr std::uint64_t in_ns(std::chrono::milliseconds duration) {
  return static_cast<std::uint64_t>(duration.count()) * 1'000'000;
}

constexpr std::uint64_t kLookForEndNs = 1'000'000'000;  // had the kernel not told
constexpr std::uint64_t kBoundsPeriod = 32;  // ended jobs between two looks at what is kept

RunEnd lost_run(const Job& job, const std::string& why) {
  RunEnd end;
  end.exit_code = -SIGKILL;
  end.error = why;
  end.error_kind = "lost";
  end.started_at = job.started_at;
  end.ended_at = unix_now();
  return end;
}

constexpr const char* kRunnerKilled =
    "The run is lost: its runner was killed from outside before the run had ended, perhaps because "
    "the machine was out of memory. Its output so far is kept. Start it again.";

Error unknown_job(const std::string& id) {
  return {ErrorCode::NotFound, fmt::format("Job {} not found. py_list_jobs shows known ones.", id)};
}

Error not_pending(const std::string& id) {
  return {ErrorCode::InvalidArgument,
          fmt::format("The run of job {} was not started: the job is not pending (any more). Make "
                      "a new one.",
                      id)};
}

Error is_not_running(const Job& job) {
  return {ErrorCode::InvalidArgument, fmt::format("Job {} is not running (status: {}). There is "
                                                  "nothing to cancel; py_job_status shows it.",
                                                  job.id, to_string(job.status))};
}

}  // namespace

// --- starting
// ------------------------------------------------------------------------------------

void JobRegistry::Impl::launch(const std::string& id, RunSpec spec, Launched launched) {
  launches_.push_back({id, std::move(spec), std::move(launched), 0});
  begin_launches();
}

// One at a time: two at once make the server wait twice as long for its turn when hundreds of
// runs are started (measured), and the pool's threads are there for others too.
void JobRegistry::Impl::begin_launches() {
  while (!launches_.empty() && !starting_ && !launch_timer_.active()) {
    Launch launch = std::move(launches_.front());
    launches_.pop_front();
    if (const Result<void> begun = begin(launch); !begun) {
      refused_.emplace_back(std::move(launch.launched), begun.error());
      due_timer_.start(std::chrono::milliseconds(0));
    }
  }
}

// A start that takes long says that processes wait for a CPU. The more of them there are, the later
// the server gets one: the next start waits as long as this one took.
void JobRegistry::Impl::let_others_run(std::chrono::duration<double> start) {
  if (start < limits::kQuickStart) return;
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(start);
  launch_timer_.start(std::min(took, limits::kStartPause));
}

Result<void> JobRegistry::Impl::begin(Launch& launch) {
  const std::string id = launch.id;
  LiveJob* found = live(id);
  if (found == nullptr || found->job().status != JobStatus::Pending || found->is_run()) {
    return not_pending(id);
  }
  LiveJob& job = *found;
  const auto failed = [&](const Error& error) {
    finish(id, JobStatus::Failed, nullptr, error.message);
    return error;
  };
  if (auto made = folders_.make(id); !made) return failed(made.error());
  job.stored.kind = JobKind::Run;
  // First written, then done: what may run is known to whoever comes after us.
  if (!save(job)) {
    return failed({ErrorCode::Unavailable,
                   "The run was not started: the job store can't be written. Free space on its "
                   "disk, or set PYTHON_MCP_META to another folder."});
  }
  job.starting = true;
  starting_ = true;
  const std::weak_ptr<bool> alive = alive_;
  const RunSpec spec = std::move(launch.spec);
  job.held = spec.held;
  launch.began_at = unix_now();
  RunnerProcess::start(
      loop_, settings_.runner, folders_.path(id), spec,
      {[this, alive, launch = std::move(launch)](Result<std::unique_ptr<RunnerProcess>> started) {
         // Without us the run goes on, and the next server adopts it.
         if (!alive.expired()) runner_started(launch, std::move(started));
       },
       [this, id] { run_ended(id); }});
  return {};
}

void JobRegistry::Impl::runner_started(const Launch& launch,
                                       Result<std::unique_ptr<RunnerProcess>> started) {
  starting_ = false;
  let_others_run(std::chrono::duration<double>(unix_now() - launch.began_at));
  LiveJob& job = live_.at(launch.id);  // what is being started stays
  job.starting = false;
  if (!started) {
    finish(launch.id, JobStatus::Failed, nullptr, started.error().message);
    refused_.emplace_back(launch.launched, started.error());
    due_timer_.start(std::chrono::milliseconds(0));
    return begin_launches();
  }
  job.started = started.take();
  job.runner = job.started->identity();
  job.job().started_at = launch.began_at;
  if (job.job().status == JobStatus::Cancelled) {
    ask_to_end(job);
  } else {
    job.job().status = JobStatus::Running;
  }
  save(job);
  spdlog::info("run_started job={} tool={} runner={}", launch.id, job.job().tool, job.runner.pid);
  wake_tick();
  begin_launches();
  if (launch.launched) launch.launched({});  // may destroy us
}

void JobRegistry::Impl::run_ended(const std::string& id) {
  LiveJob* job = live(id);
  if (job == nullptr || job->unsaved) return;
  // In this order: who holds the lock no more has left its record.
  const bool held = runner_holds_lock(folders_.path(id));
  std::optional<RunEnd> end = read_exit(folders_.path(id));
  if (!end && held) {
    job->outlived = true;  // the rest of the runner ends the run, and records that (docs/runner.md)
    return wake_tick();
  }
  const bool never_seen = job->adopted_at_ns != 0 && job->runner.pid == 0;
  conclude_run(*job, std::move(end), never_seen ? kServerRestarted : kRunnerKilled);
}

void JobRegistry::Impl::conclude_run(LiveJob& ending, std::optional<RunEnd> end,
                                     const std::string& lost) {
  Job& job = ending.job();
  learn_child(ending);
  job.end = end ? std::move(end) : lost_run(job, lost);
  if (job.started_at == 0) job.started_at = job.end->started_at;
  if (job.status != JobStatus::Cancelled) {
    job.completed_at = job.end->ended_at > 0 ? job.end->ended_at : unix_now();
    if (!job.end->error.empty()) {
      job.status = JobStatus::Failed;
      job.error = job.end->error;
    } else if (job.end->cancelled) {  // by somebody else's signal
      job.status = JobStatus::Cancelled;
    } else {
      if (result_maker) job.result = result_maker(job, *folders_.output(job.id));
      job.status = JobStatus::Completed;
    }
  }
  conclude(ending);
}

// It is over, whatever it was: kept, told, and no longer ours to look after.
void JobRegistry::Impl::conclude(LiveJob& ending) {
  const std::string id = ending.job().id;
  ending.stored.live = false;
  ending.stored.bytes = folders_.bytes(id);
  ending.watch.reset();
  ending.started.reset();
  if (ending.work) retired_.push_back(std::move(ending.work));  // it may be what called us
  const bool first_time = !ending.unsaved;
  ending.unsaved = !save(ending);
  if (first_time) {
    spdlog::info("job_ended job={} tool={} status={}", id, ending.job().tool,
                 to_string(ending.job().status));
    tell_ended(ending.job());
    tell_listeners_of_end(id);
  }
  if (ending.unsaved) return wake_tick();  // which tries again
  live_.erase(id);
  if (++concluded_ % kBoundsPeriod == 0) keep_bounds();
}

// --- cancelling
// ------------------------------------------------------------------------------------

Result<void> JobRegistry::Impl::cancel(const std::string& id) {
  if (auto opened = open(); !opened) return opened;
  LiveJob* found = live(id);
  if (found == nullptr) {
    const std::optional<Job> job = find(id);
    if (!job) return unknown_job(id);
    if (job->is_over()) return is_not_running(*job);
    // Another server's run: its runner is asked, and that server hears of the end.
    const auto record = read_runner(folders_.path(id));
    if (record && signal_process(record->runner, SIGTERM)) return {};
    return Error{ErrorCode::Unavailable,
                 fmt::format("Job {} belongs to another program, which alone can cancel it. Cancel "
                             "it there.",
                             id)};
  }
  if (found->job().is_over()) return is_not_running(found->job());
  const bool pending = found->job().status == JobStatus::Pending && !found->is_run();
  found->job().status = JobStatus::Cancelled;
  found->job().completed_at = unix_now();
  if (pending) {
    conclude(*found);
    return {};
  }
  save(*found);
  if (found->work) {
    found->work->cancel();  // may end, and thereby destroy, what `found` names
  } else {
    ask_to_end(*found);
  }
  return {};
}

void JobRegistry::Impl::ask_to_end(LiveJob& job) {
  if (job.runner.pid == 0) return;  // asked as soon as it is known
  signal_process(job.runner, SIGTERM);
  job.kill_at_ns = now_ns() + in_ns(limits::kRunnerEndGrace);
  wake_tick();
}

// --- looking after
// ---------------------------------------------------------------------------------

void JobRegistry::Impl::look_after(const std::string& id, std::uint64_t now) {
  LiveJob* found = live(id);
  if (found == nullptr) return;
  if (found->unsaved) {
    if (now - found->looked_at_ns < kLookForEndNs) return;
    found->looked_at_ns = now;
    return conclude(*found);
  }
  if (!found->is_run() || found->starting) return;
  if (!found->started && found->watch == nullptr) look_for_runner(*found, now);
  if (found->kill_at_ns != 0 && now >= found->kill_at_ns) {
    found->kill_at_ns = 0;
    spdlog::warn("runner_killed job={} reason=\"it did not end when asked to\"", id);
    kill_tree(found->runner);
  }
  const bool gone = runner_is_gone(*found);
  if (now - found->looked_at_ns > kLookForEndNs) found->looked_at_ns = now;
  if (gone) run_ended(id);
}

// Ends are told by the kernel; this is for where it can't: an adopted run without a pidfd, and a
// child whose end a session's waitpid(-1) took from us.
bool JobRegistry::Impl::runner_is_gone(const LiveJob& job) const {
  if (job.outlived) return !runner_holds_lock(folders_.path(job.job().id));
  if (job.started) {
    return now_ns() - job.looked_at_ns > kLookForEndNs && job.started->is_gone();
  }
  if (job.watch && job.watch->valid()) return false;
  const std::string folder = folders_.path(job.job().id);
  if (runner_holds_lock(folder)) return false;
  if (job.runner.pid != 0 || read_exit(folder)) return true;
  // It may not have come to its lock yet: its server died in the moment it was started.
  if (job.job().started_at == 0) {
    return now_ns() - job.adopted_at_ns > in_ns(limits::kRunnerStartGrace);
  }
  return unix_now() - job.job().started_at >
         static_cast<double>(limits::kRunnerStartGrace.count()) / 1000;
}

// An adopted run: finds out who its runner is, and waits for it.
void JobRegistry::Impl::look_for_runner(LiveJob& job, std::uint64_t) {
  const std::string id = job.job().id;
  const auto record = read_runner(folders_.path(id));
  if (!record || !is_alive(record->runner)) return;
  job.runner = record->runner;
  job.job().pid = record->child;
  if (job.job().status == JobStatus::Pending) {  // its server died before it could say more
    job.job().status = JobStatus::Running;
    job.job().started_at = record->started_at;
    save(job);
  }
  job.watch = std::make_unique<ProcessWatch>(loop_, record->runner, [this, id] { run_ended(id); });
  if (job.job().status == JobStatus::Cancelled) ask_to_end(job);
}

}  // namespace pyember::host
