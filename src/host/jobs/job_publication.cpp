#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "host/jobs/job_registry_impl.h"

// What others get to know of jobs: watchers of their ends, listeners to their output, and every
// program that reads jobs.json.

namespace pyember::host {

namespace {

constexpr std::uint64_t kPartialsPeriodNs = 1'000'000'000;

std::uint64_t bytes_of(const JobOutput& output) {
  return output.size(Stream::Stdout) + output.size(Stream::Stderr);
}

}  // namespace

// --- ends --------------------------------------------------------------------------------------

std::uint64_t JobRegistry::Impl::watch_end(const std::string& id, Ended ended) {
  const std::uint64_t number = next_watch_++;
  watches_.emplace(number, Watch{id, std::move(ended)});
  const LiveJob* job = live(id);
  if (job != nullptr && !job->unsaved) return number;
  const std::optional<Job> known = find(id);
  if (known && known->is_over()) {
    due_.emplace_back(number, *known);
    due_timer_.start(std::chrono::milliseconds(0));
  } else {
    wake_tick();  // another server's: looked at from time to time
  }
  return number;
}

void JobRegistry::Impl::tell_ended(const Job& job) {
  for (const auto& [number, watch] : watches_) {
    if (watch.id == job.id) due_.emplace_back(number, job);
  }
  if (!due_.empty() || !retired_.empty()) due_timer_.start(std::chrono::milliseconds(0));
}

void JobRegistry::Impl::deliver() {
  retired_.clear();
  for (const auto& [launched, error] : std::exchange(refused_, {})) {
    if (launched) launched(error);
  }
  for (const auto& [number, job] : std::exchange(due_, {})) {
    auto watch = watches_.extract(number);
    if (watch) watch.mapped().ended(job);
  }
}

void JobRegistry::Impl::look_at_others_jobs() {
  std::set<std::string> ids;
  for (const auto& [number, watch] : watches_) {
    if (live(watch.id) == nullptr) ids.insert(watch.id);
  }
  for (const std::string& id : ids) {
    const std::optional<Job> job = find(id);
    if (job && job->is_over()) tell_ended(*job);
  }
}

// --- the tick: one timer for all jobs, only while there is something to look at
// --------------------

void JobRegistry::Impl::wake_tick() {
  if (!tick_timer_.active()) tick_timer_.start(limits::kJobOutputPeriod, limits::kJobOutputPeriod);
}

void JobRegistry::Impl::tick() {
  const std::uint64_t now = now_ns();
  std::vector<std::string> ids;
  for (const auto& [id, job] : live_) ids.push_back(id);
  for (const std::string& id : ids) {
    look_after(id, now);
    LiveJob* job = live(id);
    if (job == nullptr || job->job().status == JobStatus::Pending) continue;
    look_at_partials(*job, now);
    tell_listeners(id, *job);
  }
  look_at_others_jobs();
  if (live_.empty() && watches_.empty()) tick_timer_.stop();
}

// --- output ------------------------------------------------------------------------------------

void JobRegistry::Impl::on_output(OutputCallback callback, OutputWanted wanted) {
  listeners_.push_back({std::move(callback), std::move(wanted)});
  if (!live_.empty()) wake_tick();
}

void JobRegistry::Impl::tell_listeners(const std::string& id, LiveJob& job) {
  const auto wants = [&](const Listener& listener) {
    return !listener.wanted || listener.wanted(id);
  };
  if (std::none_of(listeners_.begin(), listeners_.end(), wants)) return;
  const std::unique_ptr<JobOutput> output = this->output(id);
  const std::uint64_t bytes = output ? bytes_of(*output) : 0;
  if (bytes == std::exchange(job.told_bytes, bytes)) return;
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    if (wants(listeners_[i])) listeners_[i].callback(id);
  }
}

// Readers learn from it that nothing more will come.
void JobRegistry::Impl::tell_listeners_of_end(const std::string& id) {
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    if (!listeners_[i].wanted || listeners_[i].wanted(id)) listeners_[i].callback(id);
  }
}

void JobRegistry::Impl::look_at_partials(LiveJob& job, std::uint64_t now) {
  if (!job.is_run() || now - job.partials_at_ns < kPartialsPeriodNs) return;
  job.partials_at_ns = now;
  const std::uint64_t bytes = bytes_of(*folders_.output(job.job().id));
  if (bytes != std::exchange(job.partial_bytes, bytes)) changed(job.job().id);
}

// --- jobs.json -----------------------------------------------------------------------------------

void JobRegistry::Impl::changed(const std::string& id) {
  changed_.insert(id);
  writer_->soon();
}

JobsFile::Change JobRegistry::Impl::collect() {
  JobsFile::Change change;
  change.fail_orphans = std::exchange(fail_orphans_, false);
  change.reread = std::exchange(reread_, false);
  const std::size_t share =
      limits::kJobPartialsBytes / (2 * std::max<std::size_t>(1, live_.size()));
  for (const std::string& id : std::exchange(changed_, {})) {
    const LiveJob* job = live(id);
    std::optional<StoredJob> stored = job != nullptr ? job->stored : store_->find(id);
    if (!stored) continue;
    JobsFile::Put put;
    if (stored->live && stored->job.status == JobStatus::Running) {
      put.folder = folders_.path(id);
      put.partial_bytes = std::min(limits::kJobPartialBytes, share);
    }
    if (stored->live) put.record.owner = stored->owner;
    put.record.job = std::move(stored->job);
    change.put.push_back(std::move(put));
  }
  change.remove.assign(removed_.begin(), removed_.end());
  if (!change.empty()) change.known = store_->ids();
  return change;
}

void JobRegistry::Impl::file_written(const JobsFile::Change& change,
                                     Result<JobsFile::Content> outcome) {
  if (!outcome) {
    spdlog::warn("jobs_file_not_written reason=\"{}\"", outcome.error().message);
    fail_orphans_ = fail_orphans_ || change.fail_orphans;
    for (const JobsFile::Put& put : change.put) changed_.insert(put.record.job.id);
    return;  // tried again with the next change, or look for orphans
  }
  for (const JobsFile::Put& put : change.put) known_to_file_.insert(put.record.job.id);
  for (const std::string& id : change.remove) {
    removed_.erase(id);
    known_to_file_.erase(id);
  }
  store_->forget(change.remove);
  take_foreign(outcome.take());
}

void JobRegistry::Impl::flush() {
  if (writer_) writer_->now();
}

}  // namespace pyember::host
