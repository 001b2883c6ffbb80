#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "host/loop/event_loop.h"
#include "host/upstream/config/definition.h"
#include "mcp/outgoing_message.h"

namespace pyember::host {

using OutgoingMessage = mcp::OutgoingMessage;

// A connection to an upstream: carries JSON-RPC messages and knows nothing of what they say. Made
// for one connection; a new one needs a new transport. Loop's thread only.
//
// Whatever the other side sends is bounded here (limits::kUpstreamMessageBytes) and otherwise
// handed on as it came: it may be no JSON at all.
class UpstreamTransport {
 public:
  // Who uses it, and outlives it. May destroy the transport in transport_ended(), and send() in all
  // of them.
  class Owner {
   public:
    virtual void transport_message(std::string_view json) = 0;
    // Nothing comes any more; `why` is for people, in three parts, with what the child's stderr
    // said last. Also when it could not start, but never out of start() itself. Called at most
    // once.
    virtual void transport_ended(const std::string& why) = 0;
    // One request got no answer that is a message (an HTTP error, an answer above the bound: the
    // code is LimitReached then), with a message as above; the others go on. It may be answered
    // already. An HTTP error whose body is a JSON-RPC answer
    // is a transport_message.
    virtual void transport_request_failed(std::int64_t id, const Error& error) = 0;
    // Request `id` has not reached the server and never will: the connection is about to end.
    virtual void transport_could_not_send(std::int64_t id) {
      transport_request_failed(id, {ErrorCode::Unavailable, "it does not read what it is sent"});
    }
    // HTTP, handshake era: the server does not know our session any more and has not served request
    // `id` (404). The owner begins anew with a handshake and sends it again, once.
    virtual void transport_session_lost(std::int64_t id) = 0;

   protected:
    ~Owner() = default;
  };

  // Ends what there is at once (kills, closes); no Owner call comes afterwards.
  virtual ~UpstreamTransport() = default;
  virtual void start() = 0;
  virtual void send(OutgoingMessage message) = 0;
  // The answer to request `id` is not wanted any more: HTTP closes its stream, which in the modern
  // era is what cancels it; stdio does nothing, the client sends a message.
  virtual void abandon(std::int64_t id) = 0;
  // In an orderly way: a child's stdin is closed, then it is told to end, then killed; a session is
  // deleted. `done` is called once, in a later turn of the loop, unless this is destroyed before.
  // transport_ended() is not called then.
  virtual void end(std::function<void()> done) = 0;
  // What the child printed to stderr last, for errors; empty: nothing, or there is no child.
  virtual std::string last_stderr() const { return {}; }
};

// What transports need of the server.
struct TransportSettings {
  std::string runner;        // pyember-runner's path, which keeps the processes of a child together
  std::string token_folder;  // what logins have brought (oauth_tokens.h); empty: there are none
};

// By definition.kind. `definition` and `owner` outlive the transport.
std::unique_ptr<UpstreamTransport> make_transport(EventLoop& loop,
                                                  const UpstreamDefinition& definition,
                                                  const TransportSettings& settings,
                                                  UpstreamTransport::Owner& owner);

}  // namespace pyember::host
