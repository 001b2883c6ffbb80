#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "host/loop/uv_handle.h"
#include "host/upstream/transport.h"
#include "host/upstream/upstreams.h"
#include "mcp/client.h"

namespace pyember::host {

// One connection to an upstream, from its start to its end: a transport and the client that speaks
// over it, and the clock that neither of them has. Loop's thread only. Its owner must not destroy
// it out of a callback of the owner's.
class UpstreamConnection final : private UpstreamTransport::Owner, private mcp::Client::Owner {
 public:
  class Owner {
   public:
    virtual void connection_is_ready() = 0;  // again after a session was lost
    // It can't be used (any more); `why` is a clause for people. Before it: every request in flight
    // that the client could still answer. After it nothing comes but the end of end().
    virtual void connection_failed(const std::string& why) = 0;
    virtual void connection_sees_tools_changed() = 0;
    // As mcp::Client says it; answered with client().answer_question(). Only where `capabilities`
    // were declared.
    virtual void connection_is_asked(mcp::ClientAsked) {}
    virtual void connection_is_asked_no_more(std::int64_t /*question*/) {}

   protected:
    ~Owner() = default;
  };

  UpstreamConnection(EventLoop& loop, const UpstreamDefinition& definition,
                     const UpstreamSettings& settings, bool try_handshake, Owner& owner);

  void start();
  mcp::Client& client() { return client_; }
  const mcp::Client& client() const { return client_; }
  std::string last_stderr() const { return transport_->last_stderr(); }
  // In an orderly way; `done` comes in a later turn.
  void end(std::function<void()> done);

 private:
  void transport_message(std::string_view json) override { client_.receive(json); }
  void transport_ended(const std::string& why) override { fail(why); }
  void transport_request_failed(std::int64_t id, const Error& error) override {
    client_.request_failed(id, error);
  }
  void transport_could_not_send(std::int64_t id) override { client_.could_not_send(id); }
  void transport_session_lost(std::int64_t id) override { client_.session_lost(id); }

  void client_sends(OutgoingMessage message) override { transport_->send(std::move(message)); }
  void client_abandons(std::int64_t id) override { transport_->abandon(id); }
  void client_is_ready() override;
  void client_failed(const std::string& why) override { fail(why); }
  void client_sees_tools_changed() override { owner_.connection_sees_tools_changed(); }
  void client_stopped_listening() override;
  void client_cannot_read(std::string_view text) override;
  void client_is_asked(mcp::ClientAsked asked) override {
    owner_.connection_is_asked(std::move(asked));
  }
  void client_is_asked_no_more(std::int64_t question) override {
    owner_.connection_is_asked_no_more(question);
  }

  void fail(const std::string& why);
  void start_takes_too_long();

  const UpstreamDefinition& definition_;
  const UpstreamSettings& settings_;
  Owner& owner_;
  std::unique_ptr<UpstreamTransport> transport_;
  mcp::Client client_;
  Timer probe_deadline_;
  Timer start_deadline_;
  Timer listen_again_;
  std::string unreadable_;  // the first that came and was no message
  bool over_ = false;
};

}  // namespace pyember::host
