#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/limits.h"
#include "mcp/http/exchange.h"

namespace pyember::host {

// What an HTTP server listens on, and what it bears. The defaults are those of limits.h.
struct HttpListen {
  struct Tls {
    std::string certificate;  // PEM: the server's, then those that signed it
    std::string key;          // PEM, without a passphrase
  };

  std::vector<int> sockets;  // bound and listening; borrowed, and open for as long as the transport
  std::optional<Tls> tls;    // null: plain

  std::size_t body_bytes = limits::kServedBodyBytes;      // of a request; more: 413
  std::size_t bodies_bytes = limits::kServedBodiesBytes;  // of all requests; more: 503
  std::size_t head_bytes = limits::kServedHeadBytes;      // its line and fields; more: 431
  std::size_t connections = limits::kServedConnections;   // more wait to be accepted
  std::size_t connections_of_peer =
      limits::kServedConnectionsOfPeer;  // of one address, but loopback; more: closed
  std::size_t pending_bytes = limits::kServedPendingBytes;  // unsent of one response; more: cut off
  std::chrono::milliseconds request_time =
      limits::kServedRequestTime;                                   // for a request to arrive whole
  std::chrono::milliseconds write_time = limits::kServedWriteTime;  // without a byte taken: cut off
  std::chrono::milliseconds idle_time = limits::kServedIdleTime;    // between two requests
};

// A server of HTTP/1.1 on the loop: it accepts, reads requests, and hands each to the handler once
// it is whole. What is no HTTP or breaks a bound it answers itself (400, 413, 431, 503 …), and
// closes the connection; what is too slow it cuts off. Made and used on the loop's thread; made by
// http_module.h.
//
// Destroying it closes every connection; exchanges that others still hold are gone then.
class HttpTransport {
 public:
  using Handler = std::function<void(std::shared_ptr<mcp::HttpExchange>)>;

  virtual ~HttpTransport() = default;

  virtual void stop_listening() = 0;  // connections go on; new ones wait in the sockets
  virtual void close_idle() = 0;      // closes connections between requests, now and from now on

  virtual std::size_t connections() const = 0;
  virtual std::size_t open_exchanges() const = 0;  // whose response is not sent whole
  virtual std::size_t open_streams() const = 0;    // of those, streams
  // How often each status was sent: those of our handlers, and our own refusals.
  using Responses = std::map<int, std::uint64_t>;
  virtual const Responses& responses() const = 0;
};

}  // namespace pyember::host
