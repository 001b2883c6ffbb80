#include "mcp/tasks.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

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

std::string iso_time(std::int64_t unix_ms) {
  const std::chrono::sys_seconds seconds{std::chrono::seconds(unix_ms / 1000)};
  return fmt::format("{:%FT%T}.{:03}Z", seconds, unix_ms % 1000);
}

}  // namespace

// --- one task --------------------------------------------------------------------------------

Task::Task(std::string id, const Tool& tool, ToolCall& call, const WallClock& clock,
           Changed changed)
    : id_(std::move(id)),
      tool_(tool),
      call_(&call),
      clock_(clock),
      changed_(std::move(changed)),
      created_ms_(clock()),
      updated_ms_(created_ms_) {}

Task::~Task() {
  if (ToolCall* const call = std::exchange(call_, nullptr)) call->cancel();
}

Task::Status Task::status() const {
  if (cancelled_) return Status::Cancelled;
  if (outcome_) {
    return std::holds_alternative<ToolResult>(*outcome_) ? Status::Completed : Status::Failed;
  }
  return call_ != nullptr && call_->has_questions() ? Status::InputRequired : Status::Working;
}

std::int64_t Task::ttl_ms() const {
  const std::int64_t lived = call_ == nullptr ? updated_ms_ - created_ms_ : 0;
  return lived + std::chrono::milliseconds(limits::kTaskTtl).count();
}

std::string Task::summary() const {
  std::string members =
      fmt::format(R"("taskId":"{}","status":"{}","createdAt":"{}","lastUpdatedAt":"{}",)"
                  R"("ttlMs":{},"pollIntervalMs":{})",
                  id_, word(status()), iso_time(created_ms_), iso_time(updated_ms_), ttl_ms(),
                  std::chrono::milliseconds(limits::kTaskPollInterval).count());
  if (!message_.empty()) {
    members += R"(,"statusMessage":)";
    append_json_string(members, message_);
  }
  return members;
}

std::string Task::details() const {
  std::string members = summary();
  switch (status()) {
    case Status::Completed:
      members += R"(,"result":{)";
      append_tool_result(members, std::get<ToolResult>(*outcome_), kModernVersion);
      members += '}';
      break;
    case Status::Failed: {
      members += R"(,"error":)";
      append_error(members, std::get<RpcError>(*outcome_));
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
  cancelled_ = true;
  call->cancel();
  has_changed();
}

void Task::call_progress(double, std::optional<double>, std::string_view message) {
  if (message.empty()) return;
  message_ = message;
  has_changed();
}

void Task::call_asks() {
  if (!takes_answers_) has_changed();
}

void Task::call_withdraws(std::uint64_t) {
  if (!takes_answers_) has_changed();
}

void Task::call_completed(ToolResult result) {
  call_ = nullptr;
  outcome_ = std::move(result);
  has_changed();
}

void Task::call_failed(RpcError error) {
  call_ = nullptr;
  outcome_ = std::move(error);
  has_changed();
}

void Task::has_changed() {
  updated_ms_ = std::max(updated_ms_, clock_());
  if (changed_) changed_(*this);
}

// --- all of them -----------------------------------------------------------------------------

Tasks::Tasks(WallClock clock, Task::Changed changed)
    : clock_(std::move(clock)), changed_(std::move(changed)) {}

Tasks::~Tasks() { cancel_all(); }

Task* Tasks::begin(const Tool& tool, ToolCall& call) {
  drop_expired();
  if (tasks_.size() >= limits::kTasks) return nullptr;
  tasks_.push_back(std::make_unique<Task>(random_hex(kIdBytes), tool, call, clock_, changed_));
  return tasks_.back().get();
}

Task* Tasks::find(std::string_view id) {
  drop_expired();
  const auto found = std::find_if(tasks_.begin(), tasks_.end(),
                                  [id](const auto& each) { return each->id() == id; });
  return found == tasks_.end() ? nullptr : found->get();
}

TaskCounts Tasks::counts() const {
  TaskCounts counts;
  for (const auto& each : tasks_) ++counted(counts, each->status());
  return counts;
}

std::size_t Tasks::running() const {
  return static_cast<std::size_t>(std::count_if(tasks_.begin(), tasks_.end(),
                                                [](const auto& each) { return !each->is_over(); }));
}

// What they do when they are told may look here: it finds nothing.
void Tasks::cancel_all() { std::exchange(tasks_, {}).clear(); }

void Tasks::drop_expired() {
  const std::int64_t now = clock_();
  std::erase_if(tasks_,
                [now](const auto& each) { return each->is_over() && each->expires_ms() <= now; });
}

}  // namespace pyember::mcp
