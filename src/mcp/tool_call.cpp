#include "mcp/tool.h"

#include <limits>
#include <utility>

// Every way out (answer, cancellation, destruction) first forgets the sink and the callback and
// only then calls them: either may hold the last reference to this call, and dropping it in the
// middle must find nothing left to do.
namespace pyember::mcp {

ToolCall::ToolCall(Json arguments, Options options, ToolCallSink& sink)
    : arguments_(std::move(arguments)),
      options_(options),
      sink_(&sink),
      last_progress_(-std::numeric_limits<double>::infinity()) {}

ToolCall::~ToolCall() {
  if (state_ != State::Open) return;
  fail({RpcCode::InternalError,
        "Internal error: the tool gave the call up without an answer. This is a fault of the "
        "server; the call may have had effects. Look at the state before calling again.",
        {}});
}

void ToolCall::begin() {
  if (options_.begun != nullptr && state_ == State::Open) options_.begun->store(1);
}

void ToolCall::progress(double progress, std::optional<double> total, std::string_view message) {
  const bool increases = progress > last_progress_;  // false for NaN, too
  if (state_ != State::Open || !options_.wants_progress || !increases) return;
  last_progress_ = progress;
  sink_->call_progress(progress, total, message);
}

bool ToolCall::wants_log(LogLevel level) const {
  return state_ == State::Open && options_.log_level && level >= *options_.log_level;
}

void ToolCall::log(LogLevel level, std::string_view logger, const Json& data) {
  if (wants_log(level)) sink_->call_log(level, logger, data);
}

void ToolCall::on_cancel(std::function<void()> callback) {
  if (state_ == State::Open) {
    cancel_callback_ = std::move(callback);
  } else if (state_ == State::Cancelled && callback) {
    callback();
  }
}

void ToolCall::complete(ToolResult result) {
  if (state_ != State::Open) return;
  state_ = State::Answered;
  const auto forgotten = std::exchange(cancel_callback_, nullptr);
  std::exchange(sink_, nullptr)->call_completed(std::move(result));
}

void ToolCall::fail(RpcError error) {
  if (state_ != State::Open) return;
  state_ = State::Answered;
  const auto forgotten = std::exchange(cancel_callback_, nullptr);
  std::exchange(sink_, nullptr)->call_failed(std::move(error));
}

void ToolCall::cancel() {
  if (state_ != State::Open) return;
  state_ = State::Cancelled;
  sink_ = nullptr;
  const auto callback = std::exchange(cancel_callback_, nullptr);
  if (callback) callback();
}

}  // namespace pyember::mcp
