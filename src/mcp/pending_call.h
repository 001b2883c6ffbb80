#pragma once

#include "mcp/server_impl.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

// Internal to the server's sources: what stands behind a ToolCall at each moment of its life.
namespace pyember::mcp {

// A tools/call that its handler has not answered yet.
class Server::Impl::PendingCall : public PendingRequest, public ToolCallSink {
 public:
  // `arguments_hash`: of a client that can be asked, so that a call that goes on is known again.
  PendingCall(Impl& server, Recipient&& recipient, const Tool& tool, std::size_t arguments_hash)
      : PendingRequest(std::move(recipient)),
        server_(server),
        tool_(tool),
        arguments_hash_(arguments_hash) {}

  void attach(ToolCall& call) { call_ = &call; }
  void cancel() override {
    over_ = true;
    call_->cancel();
  }

  void call_progress(double progress, std::optional<double> total,
                     std::string_view message) override {
    server_.notify_progress(from, progress, total, message);
  }
  void call_log(LogLevel level, std::string_view logger, const Json& data) override {
    server_.notify_log(&from.id, level, logger, data);
  }
  void call_completed(ToolResult result) override {
    over_ = true;
    server_.finish(*this, result);
  }
  void call_failed(RpcError error) override {
    over_ = true;
    server_.finish(*this, error);
  }
  void call_asks() override {
    if (!takes_answers) server_.ask(*this);
  }
  void call_withdraws(std::uint64_t question) override { server_.withdraw(*this, question); }

  ToolCall& call() { return *call_; }  // while it is not over
  bool over() const { return over_; }
  const Tool& tool() const { return tool_; }
  std::size_t arguments_hash() const { return arguments_hash_; }

  bool takes_answers =
      false;  // of several questions: what is asked meanwhile waits for all of them

 private:
  Impl& server_;
  const Tool& tool_;
  const std::size_t arguments_hash_;
  ToolCall* call_ = nullptr;  // lives at least until it is answered or cancelled
  bool over_ = false;
};

// A modern call whose request was answered with questions. It goes on, and is answered when the
// client calls again with `state`. What it has to say meanwhile is not heard.
class Server::Impl::WaitingCall : public ToolCallSink {
 public:
  WaitingCall(std::string state_text, PendingCall& pending)
      : state(std::move(state_text)),
        tool(pending.tool()),
        arguments_hash(pending.arguments_hash()),
        call(&pending.call()) {}

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
  ToolCall* call;  // null: it has been answered, or cancelled
  std::optional<std::variant<ToolResult, RpcError>> outcome;
};

}  // namespace pyember::mcp
