#include "host/jobs/job_registry.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "base/iso_time.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "host/jobs/job_id.h"
#include "host/jobs/job_registry_impl.h"
#include "host/loop/pool_work.h"
#include "host/runs/run_files.h"

namespace pyember::host {

using mcp::Json;

namespace {

Error too_many() {
  return {
      ErrorCode::LimitReached,
      fmt::format("The job was not made: {} jobs run already, which is the limit. Wait for some "
                  "to end, or cancel some.",
                  limits::kMaximumLiveJobs)};
}

std::string shortened(std::string label) {
  if (label.size() <= limits::kJobLabelBytes) return label;
  label.resize(limits::kJobLabelBytes);
  label.resize(label.size() - utf8::incomplete_suffix(label));
  return label;
}

}  // namespace

JobRegistry::Impl::Impl(EventLoop& loop, Settings settings)
    : loop_(loop),
      settings_(std::move(settings)),
      folders_(settings_.directory),
      file_(settings_.directory),
      launch_timer_(loop, [this] { begin_launches(); }),
      tick_timer_(loop, [this] { tick(); }),
      due_timer_(loop, [this] { deliver(); }),
      orphan_timer_(loop, [this] { adopt_orphans(); }) {}

// --- making ------------------------------------------------------------------------------------

Result<std::string> JobRegistry::Impl::create(std::string tool, std::string label, Json details) {
  if (auto opened = open(); !opened) return opened.error();
  if (live_.size() >= limits::kMaximumLiveJobs) return too_many();
  LiveJob made;
  Job& job = made.job();
  job.id = new_job_id();
  job.tool = std::move(tool);
  job.label = shortened(label.empty() ? job.tool : std::move(label));
  job.created_at = unix_now();
  job.details = std::move(details);
  made.stored.owner = store_->owner();
  if (auto inserted = store_->insert(made.stored); !inserted) return inserted.error();
  std::string id = job.id;
  live_.emplace(id, std::move(made));
  changed(id);
  return id;
}

void JobRegistry::Impl::attach(const std::string& id, std::unique_ptr<JobWork> work) {
  LiveJob* job = live(id);
  if (job == nullptr) return;
  job->work = std::move(work);
  job->stored.kind = JobKind::Work;
  job->job().status = JobStatus::Running;
  job->job().started_at = unix_now();
  save(*job);
  wake_tick();
}

void JobRegistry::Impl::finish(const std::string& id, JobStatus status, Json result,
                               std::string error) {
  LiveJob* ending = live(id);
  if (ending == nullptr || ending->unsaved || ending->starting) return;
  Job& job = ending->job();
  if (job.status != JobStatus::Cancelled) job.status = status;
  job.result = std::move(result);
  job.error = std::move(error);
  job.completed_at = unix_now();
  if (ending->work && folders_.make(id)) {
    if (const auto output = ending->work->output()) folders_.keep(id, *output);
  }
  conclude(*ending);
}

void JobRegistry::Impl::set_progress(const std::string& id, Json progress) {
  LiveJob* job = live(id);
  if (job == nullptr || job->job().is_over()) return;
  job->job().progress = std::move(progress);
  save(*job);
}

void JobRegistry::Impl::set_details(const std::string& id, Json details) {
  LiveJob* job = live(id);
  if (job == nullptr) return;
  job->job().details = std::move(details);
  save(*job);
}

bool JobRegistry::Impl::save(LiveJob& job) {
  StoredJob bounded = job.stored;
  bounded.job.result = with_bounded_texts(bounded.job.result, limits::kJobResultTextBytes);
  const Result<bool> saved = store_->update(bounded);
  changed(job.job().id);
  if (store_->log_has_grown()) {
    run_in_pool(
        loop_, [directory = settings_.directory] { JobStore::shorten_log(directory); }, nullptr);
  }
  if (!saved) {
    spdlog::error("job_not_saved id={} reason=\"{}\"", job.job().id, saved.error().message);
    return false;
  }
  return true;  // or it is another server's by now, which then knows better
}

LiveJob* JobRegistry::Impl::live(std::string_view id) {
  const auto found = live_.find(id);
  return found == live_.end() ? nullptr : &found->second;
}

// --- showing -----------------------------------------------------------------------------------

std::optional<Job> JobRegistry::Impl::find(std::string_view id) {
  if (!open()) return std::nullopt;
  if (LiveJob* job = live(id)) {
    learn_child(*job);
    return job->job();
  }
  if (std::optional<StoredJob> stored = store_->find(id)) return std::move(stored->job);
  refresh_foreign();
  const auto foreign = foreign_.find(id);
  if (foreign == foreign_.end()) return std::nullopt;
  return foreign->second.job;
}

JobPage JobRegistry::Impl::list(const JobFilter& filter) {
  if (!open()) return {};
  JobPage page = store_->list(filter);
  for (Job& job : page.jobs) {
    if (LiveJob* known = live(job.id)) {
      learn_child(*known);
      job.pid = known->job().pid;
    }
  }
  append_foreign(page, filter);
  return page;
}

void JobRegistry::Impl::append_foreign(JobPage& page, const JobFilter& filter) {
  refresh_foreign();
  for (const auto& [id, record] : foreign_) {
    if (filter.status && record.job.status != *filter.status) continue;
    if (store_->find(id)) continue;  // another server's, made since we looked
    page.jobs.push_back(record.job);
    ++page.total;
  }
  std::stable_sort(page.jobs.begin(), page.jobs.end(), [](const Job& one, const Job& other) {
    return one.created_at > other.created_at;
  });
  if (filter.limit > 0 && page.jobs.size() > filter.limit) page.jobs.resize(filter.limit);
}

// The runner says which process it started; asked for until it has.
void JobRegistry::Impl::learn_child(LiveJob& job) {
  if (!job.is_run() || job.job().pid != 0) return;
  if (const auto record = read_runner(folders_.path(job.job().id))) job.job().pid = record->child;
}

std::unique_ptr<JobOutput> JobRegistry::Impl::output(std::string_view id) {
  if (!open()) return nullptr;
  if (LiveJob* job = live(id); job != nullptr && job->work) {
    if (auto output = job->work->output()) return output;
  }
  if (live(id) != nullptr || store_->find(id)) return folders_.output(std::string(id));
  refresh_foreign();
  const auto foreign = foreign_.find(id);
  if (foreign == foreign_.end()) return nullptr;
  return text_output(foreign->second.partial_stdout, foreign->second.partial_stderr);
}

JobTraces JobRegistry::Impl::traces(std::string_view id) {
  if (!open()) return {};
  if (LiveJob* job = live(id); job != nullptr && job->work) return job->work->traces();
  if (live(id) == nullptr && !store_->find(id)) return {};
  const std::string folder = folders_.path(std::string(id));
  return {folder, folder + "/samples", nullptr};
}

// --- forgetting --------------------------------------------------------------------------------

std::size_t JobRegistry::Impl::prune(const std::vector<JobStatus>& statuses, double older_than) {
  if (!open()) return 0;
  std::vector<std::string> ids = store_->over(statuses, older_than);
  refresh_foreign();
  for (const auto& [id, record] : foreign_) {
    const bool wanted =
        std::find(statuses.begin(), statuses.end(), record.job.status) != statuses.end();
    if (wanted && record.job.is_over() && record.job.created_at <= older_than) ids.push_back(id);
  }
  return remove(ids);
}

std::size_t JobRegistry::Impl::remove(const std::vector<std::string>& ids) {
  if (!open()) return 0;
  std::vector<std::string> gone;
  for (const std::string& id : ids) {
    const auto foreign = foreign_.find(id);
    if (foreign != foreign_.end() && foreign->second.job.is_over()) {
      foreign_.erase(foreign);
    } else if (live(id) != nullptr || !store_->mark_removed(id)) {
      continue;
    }
    gone.push_back(id);
  }
  forget(gone);
  return gone.size();
}

// What is marked as removed leaves its folder at once and jobs.json with the next write; then its
// row goes. A server that dies in between leaves the mark, and the next one goes on from there.
void JobRegistry::Impl::forget(const std::vector<std::string>& ids) {
  std::vector<std::string> unwritten;
  for (const std::string& id : ids) {
    folders_.remove(id);
    const bool never_written = changed_.erase(id) > 0 && !known_to_file_.contains(id);
    if (never_written) {
      unwritten.push_back(id);
    } else {
      removed_.insert(id);
    }
  }
  store_->forget(unwritten);
  if (!removed_.empty()) writer_->soon();
}

void JobRegistry::Impl::keep_bounds() {
  const std::vector<std::string> ids = store_->beyond(limits::kJobsKept, limits::kJobBytesKept);
  if (!ids.empty()) remove(ids);
}

// --- the class in front --------------------------------------------------------------------------

JobRegistry::JobRegistry(EventLoop& loop, Settings settings)
    : impl_(std::make_unique<Impl>(loop, std::move(settings))) {}
JobRegistry::~JobRegistry() { impl_->flush(); }

Result<void> JobRegistry::open() { return impl_->open(); }
bool JobRegistry::is_open() const { return impl_->is_open(); }
void JobRegistry::flush() { impl_->flush(); }

Result<std::string> JobRegistry::create(std::string tool, std::string label, Json details) {
  return impl_->create(std::move(tool), std::move(label), std::move(details));
}
void JobRegistry::launch(const std::string& id, RunSpec spec, Launched launched) {
  impl_->launch(id, std::move(spec), std::move(launched));
}
void JobRegistry::attach(const std::string& id, std::unique_ptr<JobWork> work) {
  impl_->attach(id, std::move(work));
}
void JobRegistry::finish(const std::string& id, JobStatus status, Json result, std::string error) {
  impl_->finish(id, status, std::move(result), std::move(error));
}
void JobRegistry::on_result(ResultMaker maker) { impl_->result_maker = std::move(maker); }
void JobRegistry::set_progress(const std::string& id, Json progress) {
  impl_->set_progress(id, std::move(progress));
}
void JobRegistry::set_details(const std::string& id, Json details) {
  impl_->set_details(id, std::move(details));
}
std::uint64_t JobRegistry::watch_end(const std::string& id, Ended ended) {
  return impl_->watch_end(id, std::move(ended));
}
void JobRegistry::unwatch(std::uint64_t watch) { impl_->unwatch(watch); }
void JobRegistry::on_output(OutputCallback callback, OutputWanted wanted) {
  impl_->on_output(std::move(callback), std::move(wanted));
}
std::optional<Job> JobRegistry::find(std::string_view id) { return impl_->find(id); }
JobPage JobRegistry::list(const JobFilter& filter) { return impl_->list(filter); }
std::unique_ptr<JobOutput> JobRegistry::output(std::string_view id) { return impl_->output(id); }
JobTraces JobRegistry::traces(std::string_view id) { return impl_->traces(id); }
Result<void> JobRegistry::cancel(const std::string& id) { return impl_->cancel(id); }
std::size_t JobRegistry::prune(const std::vector<JobStatus>& statuses, double older_than) {
  return impl_->prune(statuses, older_than);
}
std::size_t JobRegistry::remove(const std::vector<std::string>& ids) { return impl_->remove(ids); }

}  // namespace pyember::host
