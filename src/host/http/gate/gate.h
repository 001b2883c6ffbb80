#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <variant>

#include "host/http/gate/caller.h"
#include "host/http/gate/public_key.h"
#include "host/http/gate/reply.h"
#include "host/http/gate/settings.h"
#include "host/loop/event_loop.h"
#include "mcp/http/exchange.h"

namespace pyember::host {

// Decides who may come in over HTTP: from which pages and under which names (Origin, Host), who
// they are (tokens, OAuth), and how often. One for a server; on the loop's thread.
//
// For each request, in this order: at_door(); what is served to everybody; admit().
class Gate {
 public:
  // Settings that check_gate() has passed. `read_key` comes from the module with the cryptography;
  // it is needed for OAuth alone, and may be null else.
  Gate(EventLoop& loop, GateSettings settings, ReadPublicKey read_key);
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // The answer to a request that needs no caller: a refusal of its Host or Origin, a browser's
  // preflight, what is told about authorization (/.well-known/…). Null: go on with it.
  std::optional<HttpReply> at_door(const mcp::HttpRequest& request);

  // Who sends it, or why it is refused. Called once, at once or in a later turn of the loop, unless
  // the gate is destroyed before. Of the request nothing is kept.
  using Admitted = std::function<void(std::variant<Caller, HttpReply>)>;
  void admit(const mcp::HttpRequest& request, Admitted done);

  // The refusal of a tool that the caller's scopes don't let them call (403), naming what would;
  // and its challenge alone, for who has an answer already.
  HttpReply insufficient_scope(const Caller& caller, std::string_view tool) const;
  mcp::HttpFields scope_challenge(const Caller& caller, std::string_view tool) const;

  // Why the caller may not see the numbers of the whole server (403); null: they may.
  std::optional<HttpReply> refuse_metrics(const Caller& caller) const;

  // Fields to be added to every response to this request: what lets a page of an allowed origin
  // read it.
  mcp::HttpFields fields_for(const mcp::HttpRequest& request) const;

  // Whether the caller, who was admitted before, would still be: for responses that last.
  bool still_admits(const Caller& caller);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pyember::host
