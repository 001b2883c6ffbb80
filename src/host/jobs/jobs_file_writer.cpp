#include "host/jobs/jobs_file_writer.h"

#include <malloc.h>

#include <utility>

#include "base/limits.h"
#include "host/loop/pool_work.h"

namespace pyember::host {

namespace {

// The trees of a large file take several times its size, in a heap of the pool's thread that nobody
// else uses and glibc would keep.
void give_memory_back(std::uint64_t file_size) {
#ifdef __GLIBC__
  constexpr std::uint64_t kWorthIt = 256u << 10;
  if (file_size > kWorthIt) malloc_trim(0);
#endif
}

}  // namespace

struct JobsFileWriter::Task {
  Task(JobsFile jobs_file, JobsFile::Change what)
      : file(std::move(jobs_file)), change(std::move(what)) {}

  JobsFile file;
  JobsFile::Change change;
  Result<JobsFile::Content> outcome = Error{};
  std::atomic<bool> done{false};
  JobsFileWriter* owner = nullptr;  // null: it is gone; loop's thread only
};

JobsFileWriter::JobsFileWriter(EventLoop& loop, const std::string& directory, Callbacks callbacks)
    : loop_(loop),
      file_(directory),
      callbacks_(std::move(callbacks)),
      timer_(loop, [this] { write(); }) {}

JobsFileWriter::~JobsFileWriter() {
  if (task_ != nullptr) task_->owner = nullptr;
}

void JobsFileWriter::soon() {
  if (task_ != nullptr) {
    again_ = true;
    return;
  }
  // Never at once: a job that comes and goes within the period is not written at all.
  if (!timer_.active()) timer_.start(limits::kJobsFilePeriod);
}

void JobsFileWriter::write() {
  again_ = false;
  JobsFile::Change change = callbacks_.collect();
  if (change.empty()) return;
  task_ = std::make_shared<Task>(file_, std::move(change));
  task_->owner = this;
  run_in_pool(
      loop_,
      [task = task_] {
        task->outcome = task->file.apply(task->change);
        give_memory_back(task->file.stamp().size);
        task->done = true;
      },
      [task = task_] {
        if (task->owner != nullptr) task->owner->finished(*task);
      });
}

void JobsFileWriter::finished(Task& task) {
  const std::shared_ptr<Task> keep = std::move(task_);
  callbacks_.written(task.change, std::move(task.outcome));
  if (again_) soon();
}

void JobsFileWriter::now() {
  timer_.stop();
  // What is being written is older than what would be written now: it must not come last.
  const std::uint64_t deadline = now_ns() + 500'000'000;
  while (task_ != nullptr && !task_->done && now_ns() < deadline) uv_sleep(1);
  if (task_ != nullptr && !task_->done) return;
  const JobsFile::Change change = callbacks_.collect();
  if (!change.empty()) (void)file_.apply(change);
}

}  // namespace pyember::host
