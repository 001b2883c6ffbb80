#pragma once

#include "mcp/continuation.h"
#include "mcp/json.h"
#include "mcp/log_level.h"
#include "mcp/output.h"
#include "mcp/resources.h"
#include "mcp/tool.h"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace pyember::mcp {

struct ServerInfo {
  std::string name;
  std::string title;
  std::string version;
  std::string description;
  std::string website_url;
  std::string instructions;  // how a model should use this server; empty: none
};

// Bounds on what a client may make the server hold; the defaults come from base/limits.h.
struct ServerBounds {
  std::size_t line_bytes;
  std::size_t requests_in_flight;
  std::size_t bytes_in_flight;  // of their lines
  std::size_t subscriptions;    // listen streams, and URIs of the handshake era
  std::size_t uris_per_subscription;
  std::size_t page_size;  // tools, resources, templates per page
  static ServerBounds standard();
};

// An MCP server for one pipe: bytes in, lines out; no threads, clock or descriptors. Both eras are
// served at the same time: a request that carries the modern _meta is served statelessly, whatever
// happened before; `initialize` opens the handshake era for the requests that carry none.
//
// Whatever comes in, the server answers with the right error and goes on serving. Lines that are
// too long are not held; requests are served concurrently and answered as they are ready.
//
// Owned by the composition; used on the loop's thread only. The catalogs and the output outlive it.
// Destroying it cancels the calls in flight without answering them.
class Server {
 public:
  Server(ServerInfo info, ToolCatalog& tools, ResourceCatalog& resources, Output& output,
         ServerBounds bounds = ServerBounds::standard());
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Before anything is received: goes on where another server was when it died. Requests that had
  // not begun are served now; the others are answered: what they did is not known. Subscriptions
  // stay open.
  void resume(Continuation&& from);

  // Bytes as they were read; answers that are known at once are written before it returns.
  void receive(std::string_view bytes);
  // A whole line out of its turn; it is received in its turn as well.
  void receive_early(std::string_view line);

  // The client closed its end: a last line without a newline is served, and open subscriptions are
  // ended with their result as soon as no other request is in flight.
  void receive_end();

  // Requests not answered yet (tool calls, reads, open subscriptions). After receive_end(), zero
  // means that everything that was read has been answered.
  std::size_t in_flight() const;

  // Modern calls that were answered with a question and go on until the client calls again with
  // the answer. They are not in flight; a server that ends loses them.
  std::size_t waiting() const;

  // What subscribers are told.
  void resource_updated(std::string_view uri);
  bool has_subscriber(std::string_view uri) const;  // to save work nobody wants
  void resources_list_changed();
  void tools_list_changed();

  // A log message that belongs to no request: only the handshake era can receive it, at or above
  // the level it asked for with logging/setLevel.
  void log(LogLevel level, std::string_view logger, const Json& data);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pyember::mcp
