#pragma once

#include "mcp/http/caller.h"
#include "mcp/http/exchange.h"
#include "mcp/server.h"

#include <chrono>
#include <cstddef>
#include <memory>

namespace pyember::mcp {

// Bounds on what the clients of one endpoint may make it hold; the defaults come from
// base/limits.h.
struct HttpBounds {
  std::size_t body_bytes;                            // of one request
  std::size_t exchanges;                             // open at once, streams among them
  std::size_t bytes;                                 // of their bodies
  std::size_t sessions;                              // of the handshake era
  std::chrono::steady_clock::duration session_idle;  // then a session is ended
  static HttpBounds standard();
};

// Streamable HTTP, both eras on one path: requests in, responses out; no sockets and no clock. What
// one principal can reach: its server, and the sessions its clients have opened.
//
// A POST of the modern era is served statelessly, and cancelled by its client's going away. One of
// the handshake era belongs to a session that `initialize` opens and Mcp-Session-Id names, which a
// GET listens to and a DELETE ends. Which era it is the body and the head say (PROTOCOL: ERA-3).
// Whatever comes in is answered with the right status.
//
// Owned by the composition; on the loop's thread only. The server outlives it. Destroying it
// answers 503 to whoever still waits, and cancels the calls.
class HttpEndpoint {
 public:
  explicit HttpEndpoint(Server& server, HttpBounds bounds = HttpBounds::standard());
  ~HttpEndpoint();
  HttpEndpoint(const HttpEndpoint&) = delete;
  HttpEndpoint& operator=(const HttpEndpoint&) = delete;

  // A request for the endpoint's path, from a caller who may come in.
  void handle(const std::shared_ptr<HttpExchange>& exchange, HttpCaller caller);

  // To be called about once a second: idle sessions end, and quiet streams say that they are alive.
  void tick(std::chrono::steady_clock::time_point now);

  // The server ends: subscriptions get their results, streams of GETs are ended, new requests are
  // refused with 503. What is in flight is still answered.
  void close();

  std::size_t open_exchanges() const;   // whose response is not whole
  std::size_t calls_in_flight() const;  // requests to be answered, but subscriptions
  std::size_t sessions() const;         // of the handshake era
  bool is_idle() const;                 // there is none of all that

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pyember::mcp
