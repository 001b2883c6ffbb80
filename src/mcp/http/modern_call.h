#pragma once

#include "mcp/connection.h"
#include "mcp/http/caller.h"
#include "mcp/http/reply.h"
#include "mcp/json.h"
#include "mcp/output.h"
#include "mcp/server.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace pyember::mcp {

// One POST of the stateless era: its request, a connection of its own, and its reply. A client that
// goes away has cancelled it (PROTOCOL: HTTP-7).
//
// Owned by the endpoint, which is told when it is over and destroys it then. On the loop's thread.
class ModernCall final : public Output {
 public:
  // `over` is called once, from within serve() or later; it may destroy the call.
  ModernCall(Server& server, const std::shared_ptr<HttpExchange>& exchange, Accepted accepted,
             HttpCaller&& caller, HttpLoad& load, std::function<void(ModernCall&)> over);
  ModernCall(const ModernCall&) = delete;
  ModernCall& operator=(const ModernCall&) = delete;

  // Once. `request`: as the exchange has it, whose body is `text`, of which `message` was read.
  void serve(const HttpRequest& request, Result<Json>&& message, std::string_view text);

  bool is_subscription() const { return listens_; }
  // Ends it, if it is a subscription, with its result; any other goes on.
  void end_subscription() { connection_.end_subscriptions(); }
  void keep_alive() { reply_.keep_alive(); }
  // Nothing is served any more: refuses it with that, before it is destroyed.
  void abandon(const Refusal& why);

  void send(std::string&& message, const Envelope& envelope) override;

 private:
  bool may_call(std::string_view tool);
  void answer(std::string&& message, int code);

  const HttpCaller caller_;
  const std::function<void(ModernCall&)> over_;
  Reply reply_;
  RequestId id_;
  bool listens_ = false;
  std::string refused_tool_;  // the last one that the caller may not call
  Connection connection_;     // the first to go: it speaks to what stands above
};

// The headers of the modern era, found in a request's head; valid as long as that is.
RequestHeaders read_headers(const HttpRequest& request);

}  // namespace pyember::mcp
