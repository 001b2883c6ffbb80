#include "mcp/tasks.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/iso_time.h"
#include "base/limits.h"
#include "base/random_hex.h"
#include "mcp/json.h"
#include "mcp/json_rpc.h"
#include "mcp/presentation.h"
#include "mcp/questions.h"

namespace pyember::mcp {

namespace {

constexpr std::size_t kIdBytes = 16;

std::size_t& counted(TaskCounts& counts, Task::Status status) {
  switch (status) {
    case Task::Status::Working:
      return counts.working;
    case Task::Status::InputRequired:
      return counts.input_required;
    case Task::Status::Completed:
      return counts.completed;
    case Task::Status::Failed:
      return counts.failed;
    case Task::Status::Cancelled:
      break;
  }
  return counts.cancelled;
}

std::string_view word(Task::Status status) {
  switch (status) {
    case Task::Status::Working:
      return "working";
    case Task::Status::InputRequired:
      return "input_required";
    case Task::Status::Completed:
      return "completed";
    case Task::Status::Failed:
      return "failed";
    case Task::Status::Cancelled:
      break;
  }
  return "cancelled";
}

}  // namespace

// --- one task --------------------------------------------------------------------------------

Task::Task(TaskRecord record, const Surroundings& around)
    : record_(std::move(record)), around_(around) {}

Task::~Task() {
  ToolCall* const call = std::exchange(call_, nullptr);
  if (call == nullptr) return;
  lasts() ? call->abandon() : call->cancel();
}

void Task::keep() {
  kept_ = true;
  if (around_.keeper != nullptr) around_.keeper->keep(record_);
}

Task::Status Task::status() const {
  if (record_.outcome) {
    constexpr Status kStatuses[] = {Status::Completed, Status::Failed, Status::Cancelled};
    return kStatuses[record_.outcome->index()];
  }
  return call_ != nullptr && call_->has_questions() ? Status::InputRequired : Status::Working;
}

std::int64_t Task::ttl_ms() const {
  const std::int64_t until = is_over() ? record_.updated_ms : around_.clock();
  return std::max<std::int64_t>(0, until - record_.created_ms) +
         std::chrono::milliseconds(limits::kTaskTtl).count();
}

std::string Task::summary() const {
  std::string members = fmt::format(
      R"("taskId":"{}","status":"{}","createdAt":"{}","lastUpdatedAt":"{}",)"
      R"("ttlMs":{},"pollIntervalMs":{})",
      record_.id, word(status()), utc_time(record_.created_ms), utc_time(record_.updated_ms),
      ttl_ms(), std::chrono::milliseconds(limits::kTaskPollInterval).count());
  if (!record_.message.empty()) {
    members += R"(,"statusMessage":)";
    append_json_string(members, record_.message);
  }
  return members;
}

std::string Task::details() const {
  std::string members = summary();
  switch (status()) {
    case Status::Completed:
      members += R"(,"result":{)";
      append_tool_result(members, std::get<ToolResult>(*record_.outcome), kModernVersion);
      members += '}';
      break;
    case Status::Failed: {
      members += R"(,"error":)";
      append_error(members, std::get<RpcError>(*record_.outcome));
      break;
    }
    case Status::InputRequired:
      members += R"(,"inputRequests":{)";
      members += input_requests(*call_);
      members += '}';
      break;
    case Status::Working:
    case Status::Cancelled:
      break;
  }
  return members;
}

void Task::answer(const Json& responses) {
  if (call_ == nullptr) return;
  takes_answers_ = true;
  take_answers(*call_, responses, [this] { return call_ == nullptr; });
  takes_answers_ = false;
  if (call_ != nullptr) has_changed();
}

void Task::cancel() {
  ToolCall* const call = std::exchange(call_, nullptr);
  if (call == nullptr) return;
  call->cancel();
  end(TaskCancelled());
}

void Task::call_progress(double, std::optional<double>, std::string_view message) {
  if (message.empty()) return;
  record_.message = message;
  has_changed();
}

void Task::call_asks() {
  if (!takes_answers_) has_changed();
}

void Task::call_withdraws(std::uint64_t) {
  if (!takes_answers_) has_changed();
}

void Task::call_lasts_as(std::string_view work) {
  record_.lasting_work = work;
  if (kept_) keep();
}

void Task::call_cancelled(std::string_view why) {
  record_.message = why;
  end(TaskCancelled());
}

void Task::call_completed(ToolResult result) { end(std::move(result)); }

void Task::call_failed(RpcError error) { end(std::move(error)); }

// First kept, then told.
void Task::end(Outcome outcome) {
  call_ = nullptr;
  record_.outcome = std::move(outcome);
  record_.updated_ms = std::max(record_.updated_ms, around_.clock());
  if (kept_) keep();
  if (around_.changed) around_.changed(*this);
}

void Task::has_changed() {
  record_.updated_ms = std::max(record_.updated_ms, around_.clock());
  if (around_.changed) around_.changed(*this);
}

// --- all of them -----------------------------------------------------------------------------

Tasks::Tasks(Task::Surroundings around) : around_(std::move(around)) {}

// What they do when they are told may look here: it finds nothing.
Tasks::~Tasks() { std::exchange(tasks_, {}).clear(); }

Task* Tasks::begin(const Tool& tool, ToolCall& call) {
  drop_expired();
  if (tasks_.size() >= limits::kTasks) return nullptr;
  TaskRecord record;
  record.id = random_hex(kIdBytes);
  record.tool = tool.name;
  record.created_ms = record.updated_ms = around_.clock();
  tasks_.push_back(std::make_unique<Task>(std::move(record), around_));
  tasks_.back()->follow(call);
  return tasks_.back().get();
}

Task* Tasks::find(std::string_view id) {
  drop_expired();
  const auto found = std::find_if(tasks_.begin(), tasks_.end(),
                                  [id](const auto& each) { return each->id() == id; });
  return found == tasks_.end() ? recall(id) : found->get();
}

// Its call is made anew: whoever goes on with the work answers it.
Task* Tasks::recall(std::string_view id) {
  if (around_.keeper == nullptr) return nullptr;
  std::optional<TaskRecord> record = around_.keeper->find(id);
  if (!record) return nullptr;
  auto recalled = std::make_unique<Task>(*record, around_);
  if (recalled->is_over() && recalled->expires_ms() <= around_.clock()) {
    around_.keeper->forget(record->id);
    return nullptr;
  }
  make_room();
  tasks_.push_back(std::move(recalled));
  Task* const task = tasks_.back().get();
  if (task->is_over()) return task;
  ToolCall::Options options;
  options.wants_progress = true;
  options.is_task = true;
  const auto call = std::make_shared<ToolCall>(Json::object(), std::move(options), *task);
  task->follow(*call);
  task->keep();
  around_.keeper->go_on(*record, call);
  return task;
}

// The keeper still has the oldest that are over; those that are not are few.
void Tasks::make_room() {
  if (tasks_.size() < limits::kTasks) return;
  const auto over =
      std::find_if(tasks_.begin(), tasks_.end(), [](const auto& each) { return each->is_over(); });
  if (over != tasks_.end()) tasks_.erase(over);
}

TaskCounts Tasks::counts() const {
  TaskCounts counts;
  for (const auto& each : tasks_) ++counted(counts, each->status());
  return counts;
}

std::size_t Tasks::running() const {
  return static_cast<std::size_t>(std::count_if(tasks_.begin(), tasks_.end(), [](const auto& each) {
    return !each->is_over() && !each->lasts();
  }));
}

void Tasks::drop_expired() {
  if (tasks_.empty()) return;
  const std::int64_t now = around_.clock();
  std::erase_if(tasks_, [this, now](const auto& each) {
    if (!each->is_over() || each->expires_ms() > now) return false;
    if (around_.keeper != nullptr) around_.keeper->forget(each->id());
    return true;
  });
}

}  // namespace pyember::mcp
