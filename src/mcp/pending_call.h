#pragma once

#include "mcp/connection_impl.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

// Internal to the sources of a connection.
namespace pyember::mcp {

// A tools/call that its handler has not answered yet.
class Connection::Impl::PendingCall : public PendingRequest, public ToolCallSink {
 public:
  // `arguments_hash`: of a client that can be asked, so that a call that goes on is known again.
  PendingCall(Impl& connection, Recipient&& recipient, const Tool& tool, std::size_t arguments_hash)
      : PendingRequest(std::move(recipient)),
        connection_(connection),
        tool_(tool),
        arguments_hash_(arguments_hash) {}

  void attach(ToolCall& call) { call_ = &call; }
  void cancel() override {
    over_ = true;
    call_->cancel();
  }

  // What these send may end the connection, and this request with it: whoever asks whether that is
  // so (over()) still finds both.
  void call_progress(double progress, std::optional<double> total,
                     std::string_view message) override {
    const Kept kept(*this);
    connection_.notify_progress(from, progress, total, message);
  }
  void call_log(LogLevel level, std::string_view logger, const Json& data) override {
    const Kept kept(*this);
    connection_.notify_log(&from.id, level, logger, data);
  }
  void call_completed(ToolResult result) override {
    over_ = true;
    connection_.finish(*this, result);
  }
  void call_failed(RpcError error) override {
    over_ = true;
    connection_.finish(*this, error);
  }
  void call_asks() override {
    if (takes_answers) return;
    const Kept kept(*this);
    connection_.ask(*this);
  }
  void call_withdraws(std::uint64_t question) override {
    const Kept kept(*this);
    connection_.withdraw(*this, question);
  }
  bool call_becomes_task() override {
    const Kept kept(*this);
    return connection_.become_task(*this);
  }
  void call_lets_client_go() override { connection_.responder_.output().let_go(from.id); }

  // The call goes on without this request.
  void leave() { over_ = true; }

  ToolCall& call() { return *call_; }  // while it is not over
  bool over() const { return over_; }
  const Tool& tool() const { return tool_; }
  std::size_t arguments_hash() const { return arguments_hash_; }

  bool takes_answers =
      false;  // of several questions: what is asked meanwhile waits for all of them

 private:
  struct Kept {
    explicit Kept(PendingCall& pending)
        : connection(pending.connection_.shared_from_this()), request(pending.shared_from_this()) {}
    const std::shared_ptr<Impl> connection;
    const std::shared_ptr<PendingRequest> request;
  };

  Impl& connection_;
  const Tool& tool_;
  const std::size_t arguments_hash_;
  ToolCall* call_ = nullptr;  // lives at least until it is answered or cancelled
  bool over_ = false;
};

}  // namespace pyember::mcp
