#include "host/tasks/kept_tasks.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/limits.h"
#include "host/jobs/job_folders.h"
#include "host/scripts/text_file.h"
#include "mcp/json.h"

// A record is the work of one server at a time: the one that holds the task. Who asks another one
// makes that the holder as well, which does no harm: both wait for the same job, and write the same
// end of it.
namespace pyember::host {

namespace {

constexpr std::size_t kIdDigits = 32;
constexpr std::string_view kSuffix = ".json";

// Names of files are made of it, and clients send what they like.
bool is_task_id(std::string_view text) {
  return text.size() == kIdDigits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

mcp::RpcError lost_with_server(const mcp::TaskRecord& task) {
  return {mcp::RpcCode::InternalError,
          fmt::format("The task has no result: the server that ran {} ended before it did, and was "
                      "started again. What it did until then happened. Look at what it was to "
                      "change, then call it again.",
                      task.tool),
          {}};
}

mcp::RpcError too_large_to_keep(const mcp::TaskRecord& task, std::size_t bytes) {
  return {mcp::RpcCode::InternalError,
          fmt::format("The task was completed, but its result is gone: it has {} bytes, {} are the "
                      "most that is kept, and the server was started again since. Call {} again "
                      "and let it say less, or ask for its result sooner.",
                      bytes, limits::kTaskRecordBytes, task.tool),
          {}};
}

mcp::RpcError job_gone(const mcp::TaskRecord& task) {
  return {mcp::RpcCode::InternalError,
          fmt::format("The task has no result: its job {} is not there any more, somebody has "
                      "removed it. Call {} again.",
                      task.lasting_work, task.tool),
          {}};
}

}  // namespace

KeptTasks::KeptTasks(std::string directory, JobRegistry& jobs, mcp::WallClock clock, GoOn go_on)
    : directory_(std::move(directory)),
      folder_(directory_ + "/tasks"),
      jobs_(jobs),
      clock_(std::move(clock)),
      go_on_(std::move(go_on)) {}

std::string KeptTasks::path_of(std::string_view id) const {
  return fmt::format("{}/{}{}", folder_, id, kSuffix);
}

std::optional<StoredTask> KeptTasks::read(std::string_view id) const {
  const Result<std::string> text = read_text_file(path_of(id), limits::kTaskRecordBytes);
  if (!text) return std::nullopt;
  const Result<mcp::Json> json = mcp::parse_json(text.value());
  if (!json) return std::nullopt;
  std::optional<StoredTask> stored = stored_task_from(json.value());
  if (!stored || stored->task.id != id) return std::nullopt;
  return stored;
}

void KeptTasks::write(const StoredTask& stored) {
  std::string text = mcp::to_json_text(to_json(stored));
  if (text.size() > limits::kTaskRecordBytes) {
    StoredTask shorter = stored;
    // A job's result is made again from its output.
    shorter.task.outcome.reset();
    if (stored.task.lasting_work.empty()) {
      shorter.task.outcome = too_large_to_keep(stored.task, text.size());
    }
    text = mcp::to_json_text(to_json(shorter));
  }
  Result<void> written = JobFolders::make_directory(directory_);
  if (written) {
    mkdir(folder_.c_str(), 0700);
    written = write_text_file(path_of(stored.task.id), text);
  }
  if (!written) spdlog::warn("task_not_kept reason=\"{}\"", written.error().message);
}

void KeptTasks::keep(const mcp::TaskRecord& record) { write({record, own_identity()}); }

void KeptTasks::forget(const std::string& id) {
  if (is_task_id(id)) unlink(path_of(id).c_str());
}

// --- of other servers ----------------------------------------------------------------------------

std::optional<mcp::TaskRecord> KeptTasks::find(std::string_view id) {
  if (!is_task_id(id)) return std::nullopt;
  std::optional<StoredTask> stored = read(id);
  if (!stored) return std::nullopt;
  if (is_lost(*stored)) end_lost(*stored);
  if (is_past(*stored)) {
    forget(stored->task.id);
    return std::nullopt;
  }
  if (!stored->task.outcome && stored->task.lasting_work.empty()) return std::nullopt;
  return std::move(stored->task);
}

void KeptTasks::go_on(const mcp::TaskRecord& record, std::shared_ptr<mcp::ToolCall> call) {
  const std::optional<Job> job = jobs_.find(record.lasting_work);
  if (!job) return call->fail(job_gone(record));
  go_on_(*job, std::move(call));
}

// What only its server knew, and that is gone; ours, had we it still, would not be asked for here.
bool KeptTasks::is_lost(const StoredTask& stored) const {
  if (stored.task.outcome || !stored.task.lasting_work.empty()) return false;
  return stored.server == own_identity() || !is_alive(stored.server);
}

void KeptTasks::end_lost(StoredTask& stored) {
  stored.task.outcome = lost_with_server(stored.task);
  stored.task.updated_ms = std::max(stored.task.updated_ms, clock_());
  write(stored);
}

bool KeptTasks::is_past(const StoredTask& stored) {
  const std::int64_t kept = std::chrono::milliseconds(limits::kTaskTtl).count();
  if (stored.task.outcome) return stored.task.updated_ms + kept <= clock_();
  if (stored.task.lasting_work.empty()) return false;  // another server's that lives
  const std::optional<Job> job = jobs_.find(stored.task.lasting_work);
  const auto since_ms = static_cast<std::int64_t>(job ? job->completed_at * 1000 : 0);
  return (!job || job->is_over()) && std::max(since_ms, stored.task.updated_ms) + kept <= clock_();
}

// Others can't be past their time, and need not be read.
bool KeptTasks::is_old(const std::string& path) const {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return false;
  const std::int64_t written_ms = static_cast<std::int64_t>(status.st_mtime) * 1000;
  return written_ms + std::chrono::milliseconds(limits::kTaskTtl).count() <= clock_();
}

void KeptTasks::tidy() {
  std::error_code error;
  std::filesystem::directory_iterator files(folder_, error);
  for (; !error && files != std::filesystem::directory_iterator(); files.increment(error)) {
    const std::string path = files->path().string();
    const std::string name = files->path().filename().string();
    const std::string id = name.substr(0, name.find('.'));
    if (!is_task_id(id) || !is_old(path)) continue;
    if (name != id + std::string(kSuffix)) {
      unlink(path.c_str());  // half a record, of a server that was killed
    } else if (std::optional<StoredTask> stored = read(id)) {
      if (is_lost(*stored)) end_lost(*stored);
      if (is_past(*stored)) forget(id);
    } else {
      forget(id);
    }
  }
}

}  // namespace pyember::host
