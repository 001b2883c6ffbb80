#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mcp/server.h"
#include "mcp/task_keeper.h"
#include "mcp/tool.h"

namespace pyember::mcp {

// A tools/call whose request was answered with a task: it goes on, and its client asks for it by
// its id, on whatever connection (PROTOCOL: section 14). What the call says as progress becomes the
// status' message; its log messages are not heard.
class Task : public ToolCallSink {
 public:
  enum class Status { Working, InputRequired, Completed, Failed, Cancelled };

  // What tasks of one server share; outlives them.
  struct Surroundings {
    WallClock clock;
    std::function<void(const Task&)> changed;  // told after each change of what is shown of it
    TaskKeeper* keeper = nullptr;              // null: they end with the server
  };

  Task(TaskRecord record, const Surroundings& around);
  // The call that has work which lasts is left to whoever comes later; another one is cancelled.
  ~Task() override;

  // The call whose task it is from now on.
  void follow(ToolCall& call) { call_ = &call; }
  // It is known to the keeper from now on.
  void keep();

  const std::string& id() const { return record_.id; }
  const std::string& tool() const { return record_.tool; }
  Status status() const;
  bool is_over() const { return record_.outcome.has_value(); }
  // It goes on when the server has ended.
  bool lasts() const { return around_.keeper != nullptr && !record_.lasting_work.empty(); }
  // How long it is kept, from its creation: limits::kTaskTtl after its end, and as long if it ended
  // now. Never less than what was said before.
  std::int64_t ttl_ms() const;
  std::int64_t expires_ms() const { return record_.created_ms + ttl_ms(); }

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
  bool call_becomes_task() override { return true; }  // as it is
  void call_lasts_as(std::string_view work) override;
  void call_cancelled(std::string_view why) override;
  void call_completed(ToolResult result) override;
  void call_failed(RpcError error) override;

 private:
  using Outcome = decltype(TaskRecord::outcome)::value_type;
  void end(Outcome outcome);
  void has_changed();

  TaskRecord record_;
  const Surroundings& around_;
  ToolCall* call_ = nullptr;  // null: it is over
  bool kept_ = false;
  bool takes_answers_ =
      false;  // of several questions: what is asked meanwhile is told with the rest
};

// The tasks of one server. Destroying it ends those whose work does not last.
class Tasks {
 public:
  explicit Tasks(Task::Surroundings around);
  ~Tasks();
  Tasks(const Tasks&) = delete;
  Tasks& operator=(const Tasks&) = delete;

  // The call goes on as a task from now on. Null: there are as many as there may be.
  Task* begin(const Tool& tool, ToolCall& call);
  // Also one of a server before this one, which goes on here. Null: unknown, or no longer kept.
  Task* find(std::string_view id);
  // Those that are not over and do not last.
  std::size_t running() const;
  TaskCounts counts() const;
  void drop_expired();
  std::int64_t now_ms() const { return around_.clock(); }

 private:
  Task* recall(std::string_view id);
  void make_room();

  const Task::Surroundings around_;
  std::vector<std::unique_ptr<Task>> tasks_;  // in the order they began here
};

}  // namespace pyember::mcp
