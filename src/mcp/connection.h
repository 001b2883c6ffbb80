#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "mcp/continuation.h"
#include "mcp/json.h"
#include "mcp/output.h"
#include "mcp/protocol.h"
#include "mcp/request_headers.h"

namespace pyember::mcp {

class Server;

// One way on which a client reaches a server: a pipe, a session of HTTP's handshake era, or a
// single POST of the modern one. It holds what belongs to that way alone: the handshake, the
// requests in flight by their ids, subscriptions, questions asked beside a call.
//
// Both eras are served at the same time: a request that carries the modern _meta is served
// statelessly, whatever happened before; `initialize` opens the handshake era for the requests that
// carry none. Whatever comes in, it answers with the right error and goes on serving. Lines that
// are too long are not held; requests are served concurrently and answered as they are ready.
//
// Used on the loop's thread only. The server and the output outlive it. Destroying it cancels the
// calls in flight without answering them; calls that were answered with a question go on in the
// server. The output may destroy it from within send().
class Connection {
 public:
  struct Options {
    // Whether the caller may call a tool; others are not listed, and calling one is answered with
    // RpcCode::Forbidden. Asked while a message is received. Empty: all.
    std::function<bool(std::string_view tool)> may_call;
  };

  Connection(Server& server, Output& output);
  Connection(Server& server, Output& output, Options options);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // --- A pipe's ---

  // Before anything is received: goes on where another server was when it died. Requests that had
  // not begun are served now; the others are answered: what they did is not known. Subscriptions
  // stay open.
  void resume(Continuation&& from);
  // Bytes as they were read; answers that are known at once are sent before it returns.
  void receive(std::string_view bytes);
  // A whole line out of its turn; it is received in its turn as well.
  void receive_early(std::string_view line);
  // The client closed its end: a last line without a newline is served, and open subscriptions are
  // ended with their result as soon as no other request is in flight. Calls that wait to be made
  // again with an answer are cancelled: nobody is left to make them.
  void receive_end();

  // --- HTTP's ---

  // One message, the body of a POST: `parsed` is what parse_json(text) said of it. With `headers`
  // it is a message of the modern era, whatever it carries, and is held against them; null: one of
  // the handshake era (or a batch of it). Answers are sent at once or later; a notification, a
  // response of the client's and a batch of those have none.
  void receive_message(Result<Json>&& parsed, std::string_view text, const RequestHeaders* headers);
  // Ends open subscriptions with their result; for a server that ends.
  void end_subscriptions();
  // The client of a modern request has gone, which cancels it: nothing is answered. The destructor
  // does the same.
  void cancel_all();

  // Requests not answered yet (tool calls, reads, open subscriptions). After receive_end(), zero
  // means that everything that was read has been answered.
  std::size_t in_flight() const;
  // The handshake's version, as soon as `initialize` was answered.
  std::optional<Version> version() const;
  bool is_open() const { return version().has_value(); }

 private:
  friend class Server;
  class Impl;
  std::shared_ptr<Impl> impl_;  // shared with its own functions while they run, see send()
};

}  // namespace pyember::mcp
