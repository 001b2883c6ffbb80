#pragma once

#include "mcp/http/exchange.h"
#include "mcp/http/media_types.h"
#include "mcp/http/refusal.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace pyember::mcp {

// What the open exchanges of one endpoint hold.
struct HttpLoad {
  std::size_t exchanges = 0;
  std::size_t bytes = 0;  // of their bodies
};

// The response to one request, which is decided by the first thing there is to say: an answer makes
// it one JSON message with its status, anything else a stream of events that an answer ends.
//
// Whoever answers owns it; destroying it before it is over breaks the connection off, and the
// client sees that. What is sent after it is over is dropped. On the loop's thread.
class Reply {
 public:
  // `load` counts it until it is over, and outlives it.
  Reply(std::shared_ptr<HttpExchange> exchange, Accepted accepted, HttpLoad& load);
  ~Reply();
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;

  // Called when the client goes before the reply is over; by then it is. Never within a call of
  // this class. The reply may be destroyed by it.
  void when_gone(std::function<void()> callback);

  bool is_over() const { return exchange_ == nullptr; }
  bool is_undecided() const { return !is_over() && !streaming_; }
  bool is_streaming() const { return streaming_; }
  bool takes_events() const { return accepted_.events; }
  // Whether an answer of this status may be a message of its own: of a stream that has begun it is
  // the last event, and so it is for a client that takes events alone, unless it is an error.
  bool answers_alone(int status) const;

  // --- Undecided ---
  void add_field(std::string name, std::string value);  // to the response's head, whatever it is
  // It is over by one of these.
  void answer(std::string&& message, int status, HttpFields&& fields = {});  // as JSON
  void accept(int status = 202);                                             // without a body
  void refuse(const RequestId& id, const Refusal& refusal);

  // --- Events, which a client that takes none is not sent. ---
  void write(std::string&& event);  // begins the stream
  void begin_stream();              // already before there is an event
  void end();                       // after the last event; of one that has not begun as well
  void keep_alive();                // says so, if nothing was written between two calls

 private:
  void over();

  std::shared_ptr<HttpExchange> exchange_;  // shared with the transport; null: over
  HttpLoad& load_;
  const std::size_t bytes_;
  const Accepted accepted_;
  HttpFields fields_;  // that were added
  bool streaming_ = false;
  bool written_ = true;
};

}  // namespace pyember::mcp
