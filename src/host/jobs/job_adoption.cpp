#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <utility>

#include "base/iso_time.h"
#include "base/limits.h"
#include "host/jobs/job_id.h"
#include "host/jobs/job_registry_impl.h"
#include "host/runs/run_files.h"

// How the store is opened, and what becomes of jobs whose server is gone.

namespace pyember::host {

namespace {

constexpr std::uint64_t kRetryOpenNs = 1'000'000'000;

// Above this size jobs.json is read on another thread, with the next write.
constexpr std::uint64_t kReadAtOnceBytes = 4u << 20;

}  // namespace

Result<void> JobRegistry::Impl::open() {
  if (store_) return {};
  if (refusal_ && now_ns() < retry_open_at_ns_) return *refusal_;
  const Result<void> opened = open_store();
  if (opened) {
    refusal_.reset();
    return {};
  }
  store_.reset();
  refusal_ = opened.error();
  retry_open_at_ns_ = now_ns() + kRetryOpenNs;
  spdlog::error("job_store_not_opened reason=\"{}\"", refusal_->message);
  return *refusal_;
}

Result<void> JobRegistry::Impl::open_store() {
  if (auto made = JobFolders::make_directory(settings_.directory); !made) return made;
  JobStore::Opened report;
  Result<std::unique_ptr<JobStore>> store = JobStore::open(settings_.directory, report);
  if (!store) return store.error();
  store_ = store.take();
  if (!report.message.empty()) spdlog::error("job_store_damaged message=\"{}\"", report.message);
  writer_.emplace(loop_, settings_.directory,
                  JobsFileWriter::Callbacks{
                      [this] { return collect(); },
                      [this](const JobsFile::Change& change, Result<JobsFile::Content> outcome) {
                        file_written(change, std::move(outcome));
                      }});
  if (report.fresh) {
    if (const Result<JobsFile::Content> content = file_.read({})) {
      import_lost(content.value().foreign);
    }
  }
  for (const std::string& id : store_->removed()) removed_.insert(id);
  // A server that died may have said more to the store than to jobs.json.
  for (const std::string& id : store_->ids()) {
    if (removed_.contains(id)) continue;
    changed(id);
    known_to_file_.insert(id);  // an earlier server wrote it there, as far as we know
  }
  fail_orphans_ = file_.stamp().inode != 0;
  adopt_orphans();
  refresh_foreign();
  if (fail_orphans_ || !removed_.empty()) writer_->soon();
  orphan_timer_.start(limits::kOrphanPeriod, limits::kOrphanPeriod);
  return {};
}

// The database is new, but jobs.json knows jobs that were ours: it was lost or damaged.
void JobRegistry::Impl::import_lost(const std::vector<JobRecord>& records) {
  for (const JobRecord& record : records) {
    if (record.job.tool.empty() || !is_job_id(record.job.id)) continue;
    StoredJob lost;
    lost.job = record.job;
    lost.job.foreign = false;
    lost.kind = folders_.exists(lost.job.id) ? JobKind::Run : JobKind::None;
    lost.live = !lost.job.is_over();
    lost.bytes = folders_.bytes(lost.job.id);
    if (record.owner) lost.owner = *record.owner;
    (void)store_->insert(lost);
  }
}

// Jobs of servers that are gone. Also looked for later: a server beside us may die any time.
void JobRegistry::Impl::adopt_orphans() {
  if (!store_) return;
  for (StoredJob& stored : store_->owned_by_others()) {
    if (is_alive(stored.owner) || !store_->claim(stored.job.id, stored.owner)) continue;
    adopt(std::move(stored));
  }
  keep_bounds();
  if (!changed_.empty()) writer_->soon();  // what could not be written before
}

void JobRegistry::Impl::adopt(StoredJob stored) {
  stored.owner = store_->owner();
  const std::string id = stored.job.id;
  LiveJob& job = live_.emplace(id, LiveJob{}).first->second;
  job.stored = std::move(stored);
  job.adopted_at_ns = now_ns();
  changed(id);
  if (job.is_run()) return adopt_run(job);
  // A cell died with its server's interpreter, and what was pending was never begun.
  if (job.job().status != JobStatus::Cancelled) {
    job.job().status = JobStatus::Failed;
    job.job().error = kServerRestarted;
    job.job().completed_at = unix_now();
  }
  conclude(job);
}

void JobRegistry::Impl::adopt_run(LiveJob& job) {
  const std::string id = job.job().id;
  const std::string folder = folders_.path(id);
  look_for_runner(job, now_ns());
  const bool alive = job.watch != nullptr || runner_holds_lock(folder);
  // In this order: a runner that ends while we look has left its record by then.
  std::optional<RunEnd> end = read_exit(folder);
  spdlog::info("job_adopted job={} tool={} state={}", id, job.job().tool,
               end     ? "ended"
               : alive ? "running"
                       : "gone");
  if (end && !alive) return conclude_run(job, std::move(end), "");
  if (alive || !runner_is_gone(job)) return wake_tick();
  conclude_run(job, std::nullopt, kServerRestarted);
}

// --- jobs of other programs
// ------------------------------------------------------------------------

void JobRegistry::Impl::take_foreign(JobsFile::Content content) {
  foreign_stamp_ = content.stamp;
  foreign_.clear();
  for (JobRecord& record : content.foreign) {
    std::string id = record.job.id;
    if (!removed_.contains(id)) foreign_.emplace(std::move(id), std::move(record));
  }
}

void JobRegistry::Impl::refresh_foreign() {
  const JobsFile::Stamp stamp = file_.stamp();
  if (stamp == foreign_stamp_) return;
  if (stamp.size > kReadAtOnceBytes && foreign_stamp_.inode != 0) {
    reread_ = true;
    writer_->soon();
    return;
  }
  Result<JobsFile::Content> content = file_.read(store_->ids());
  if (content) {
    take_foreign(content.take());
  } else {
    spdlog::warn("jobs_file_not_read reason=\"{}\"", content.error().message);
    foreign_stamp_ = stamp;  // said once
  }
}

}  // namespace pyember::host
