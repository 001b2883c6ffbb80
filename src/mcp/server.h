#pragma once

#include "mcp/json.h"
#include "mcp/log_level.h"
#include "mcp/resources.h"
#include "mcp/tool.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pyember::mcp {

// Stands for a line of the client's that is kept until its requests are answered.
using Ticket = std::uint32_t;
inline constexpr Ticket kNoTicket = ~Ticket{0};

// Where the server's messages go: whole JSON texts without a newline; the transport adds it. One
// that outlives the server keeps what came in until it is answered; others ignore all of that.
class Output {
 public:
  virtual ~Output() = default;
  virtual void write_line(std::string&& line) = 0;

  // Keeps a line that ends at `position` of the input, counted in bytes that were received.
  virtual Ticket keep(std::string_view line, std::uint64_t position) {
    static_cast<void>(line), static_cast<void>(position);
    return kNoTicket;
  }
  // Everything before that position has been dealt with, or is kept.
  virtual void dealt_with(std::uint64_t position) { static_cast<void>(position); }
  // The one message that answers all requests of a kept line.
  virtual void write_answer(std::string&& line, Ticket ticket) {
    static_cast<void>(ticket);
    write_line(std::move(line));
  }
  // The line's requests were cancelled.
  virtual void forget(Ticket ticket) { static_cast<void>(ticket); }
  // To be set to 1 from any thread when something of the line begins that can't be done twice; as
  // long as the line is kept. Null: nobody wants to know.
  virtual std::atomic<std::uint8_t>* begun_mark(Ticket ticket) {
    static_cast<void>(ticket);
    return nullptr;
  }
  // What Server::resume() needs besides the lines, as text.
  virtual void protocol_changed(const std::string& state) { static_cast<void>(state); }
};

// A kept line that a server before this one did not answer.
struct KeptLine {
  std::string text;
  Ticket ticket = kNoTicket;
  bool begun = false;      // it may have had effects
  bool truncated = false;  // only its beginning is left
};

// Where a server goes on that follows another one on the same pipe.
struct Continuation {
  std::string protocol;         // as Output::protocol_changed() was told last; empty: nothing yet
  std::vector<KeptLine> lines;  // in the order they came
  std::uint64_t position = 0;   // of the input: what is received next begins there
  // The beginning of a line that is too long to be kept, in whose middle that is; empty: none.
  std::string overlong_beginning;
};

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
