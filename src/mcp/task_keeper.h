#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "mcp/errors.h"
#include "mcp/tool.h"

namespace pyember::mcp {

// How a task ended by being cancelled.
struct TaskCancelled {};

// What is known of a task besides the call that goes on.
struct TaskRecord {
  std::string id;    // what its client asks for it by; nobody can guess it
  std::string tool;  // that was called
  std::int64_t created_ms = 0;
  std::int64_t updated_ms = 0;
  std::string message;       // statusMessage; empty: none
  std::string lasting_work;  // ToolCall::lasts_as(); empty: it ends with its server
  // nullopt: it is not over.
  std::optional<std::variant<ToolResult, RpcError, TaskCancelled>> outcome;
};

// Keeps the tasks of one principal where they outlive the server: one that comes later answers for
// them. Who owns the server owns this too, and destroys it later. Loop's thread only.
class TaskKeeper {
 public:
  virtual ~TaskKeeper() = default;
  // As the task is now: before its client hears of it, when its work turns out to last, and when it
  // is over (not with each message). Keeping it may fail; the server goes on without.
  virtual void keep(const TaskRecord& record) = 0;
  virtual void forget(const std::string& id) = 0;
  // A task that this server doesn't hold, as it was kept last. One that is not over has work that
  // lasts; what can't go on any more is over. nullopt: unknown, or another living server's alone.
  // `id` is whatever a client sent.
  virtual std::optional<TaskRecord> find(std::string_view id) = 0;
  // The work of a task that find() says is not over goes on, and answers this call.
  virtual void go_on(const TaskRecord& record, std::shared_ptr<ToolCall> call) = 0;
};

}  // namespace pyember::mcp
