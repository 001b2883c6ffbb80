#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mcp/tool.h"

namespace pyember::mcp {

// A modern call whose request was answered with questions. It goes on, and is answered when the
// client calls again with `state`, on whatever connection. What it has to say meanwhile is not
// heard.
class WaitingCall : public ToolCallSink {
 public:
  WaitingCall(std::string state_text, const Tool& tool_called, std::size_t hash, ToolCall& waiting)
      : state(std::move(state_text)), tool(tool_called), arguments_hash(hash), call(&waiting) {}

  void call_progress(double, std::optional<double>, std::string_view) override {}
  void call_log(LogLevel, std::string_view, const Json&) override {}
  void call_completed(ToolResult result) override {
    call = nullptr;
    outcome = std::move(result);
  }
  void call_failed(RpcError error) override {
    call = nullptr;
    outcome = std::move(error);
  }

  const std::string state;  // of its request
  const Tool& tool;
  const std::size_t arguments_hash;
  std::chrono::system_clock::time_point until{};  // then it is given up
  ToolCall* call;                                 // null: it has been answered, or cancelled
  std::optional<std::variant<ToolResult, RpcError>> outcome;
};

// Those of one server, in the order they began to wait. Destroying it cancels them.
class WaitingCalls {
 public:
  WaitingCalls() = default;
  ~WaitingCalls() { cancel_all(); }
  WaitingCalls(const WaitingCalls&) = delete;
  WaitingCalls& operator=(const WaitingCalls&) = delete;

  using Time = std::chrono::system_clock::time_point;

  // Cancels and forgets those whose client has not come back in time.
  void give_up_late(Time now);
  // False: as many wait as may, and all of them still run. Else there is room for one more, for
  // which one that nobody has come for may have been given up.
  bool make_room(Time now);
  void add(std::unique_ptr<WaitingCall> call);
  WaitingCall* find(std::string_view state);  // null: there is none
  std::unique_ptr<WaitingCall> take(const WaitingCall& call);
  void cancel_all();
  std::size_t running() const;

  // Calls of a server that died, which nobody can go on with.
  void add_lost(std::string state);
  bool take_lost(const std::string& state) { return lost_.erase(state) > 0; }

  void for_each_state(const std::function<void(const std::string&)>& visit) const;

 private:
  std::vector<std::unique_ptr<WaitingCall>> calls_;
  std::set<std::string> lost_;
};

}  // namespace pyember::mcp
