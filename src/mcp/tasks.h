#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mcp/server.h"
#include "mcp/tool.h"

namespace pyember::mcp {

// A tools/call whose request was answered with a task: it goes on, and its client asks for it by
// its id, on whatever connection (PROTOCOL: section 14). What the call says as progress becomes the
// status' message; its log messages are not heard.
class Task : public ToolCallSink {
 public:
  enum class Status { Working, InputRequired, Completed, Failed, Cancelled };

  // Told after each change of what is shown of it.
  using Changed = std::function<void(const Task&)>;

  Task(std::string id, const Tool& tool, ToolCall& call, const WallClock& clock, Changed changed);
  ~Task() override;

  const std::string& id() const { return id_; }
  Status status() const;
  bool is_over() const { return call_ == nullptr; }
  // How long it is kept, from its creation: while it runs and limits::kTaskTtl after its end. Never
  // less than what was said before.
  std::int64_t ttl_ms() const;
  std::int64_t expires_ms() const { return created_ms_ + ttl_ms(); }

  // The members of a CreateTaskResult, and of what tasks/get answers, as JSON text without the
  // braces.
  std::string summary() const;
  std::string details() const;

  // Answers to its questions by their keys, as a client sent them. Those that are unknown, answered
  // or do not fit their form are left.
  void answer(const Json& responses);
  void cancel();

  void call_progress(double progress, std::optional<double> total,
                     std::string_view message) override;
  void call_log(LogLevel, std::string_view, const Json&) override {}
  void call_asks() override;
  void call_withdraws(std::uint64_t question) override;
  void call_completed(ToolResult result) override;
  void call_failed(RpcError error) override;

 private:
  void has_changed();

  const std::string id_;
  const Tool& tool_;
  ToolCall* call_;  // null: it is over
  const WallClock& clock_;
  const Changed changed_;
  const std::int64_t created_ms_;
  std::int64_t updated_ms_;
  bool cancelled_ = false;
  bool takes_answers_ =
      false;  // of several questions: what is asked meanwhile is told with the rest
  std::string message_;
  std::optional<std::variant<ToolResult, RpcError>> outcome_;
};

// The tasks of one server. Destroying it cancels those that run.
class Tasks {
 public:
  Tasks(WallClock clock, Task::Changed changed);
  ~Tasks();
  Tasks(const Tasks&) = delete;
  Tasks& operator=(const Tasks&) = delete;

  // The call goes on as a task from now on. Null: there are as many as there may be.
  Task* begin(const Tool& tool, ToolCall& call);
  Task* find(std::string_view id);  // null: unknown, or no longer kept
  std::size_t running() const;
  TaskCounts counts() const;
  void cancel_all();
  std::int64_t now_ms() const { return clock_(); }

 private:
  void drop_expired();

  const WallClock clock_;
  const Task::Changed changed_;
  std::vector<std::unique_ptr<Task>> tasks_;  // in the order they began
};

}  // namespace pyember::mcp
