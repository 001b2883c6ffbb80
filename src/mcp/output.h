#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "mcp/json_rpc.h"

namespace pyember::mcp {

// Stands for a line of the client's that is kept until its requests are answered.
using Ticket = std::uint32_t;
inline constexpr Ticket kNoTicket = ~Ticket{0};

// What a transport may have to know of a message without reading it. Valid while it is handed over.
struct Envelope {
  enum class Kind {
    Answer,        // the last word on a request, or on all requests of a batch
    Notification,  // told, not asked
    Request,       // ours to the client (handshake era only)
  };
  Kind kind = Kind::Notification;
  // The client's request that the message belongs to: which is answered, whose progress or log it
  // is, which asks, or the subscriptions/listen it comes from; of a batch's answer any of its
  // requests. Null: it belongs to none; an Answer to none is about what is being received just now
  // (what could not be read, or carried the id of a request that is still in flight).
  const RequestId* about = nullptr;
  int error_code = 0;         // of an Answer that is an error; 0: a result, or a batch
  Ticket ticket = kNoTicket;  // of an Answer: the line it answers
};

// Where a connection's messages go: whole JSON texts without a newline. One that outlives the
// server keeps what came in until it is answered; others ignore all of that but send().
//
// Called on the loop's thread. It outlives its connection, which it may destroy from within send();
// then nothing more is sent.
class Output {
 public:
  virtual ~Output() = default;
  virtual void send(std::string&& message, const Envelope& envelope) = 0;

  // The answer to that request takes a while: a client that can come back for it may be let go
  // until then.
  virtual void let_go(const RequestId& about) { static_cast<void>(about); }

  // Keeps a line that ends at `position` of the input, counted in bytes that were received.
  virtual Ticket keep(std::string_view line, std::uint64_t position) {
    static_cast<void>(line), static_cast<void>(position);
    return kNoTicket;
  }
  // Everything before that position has been dealt with, or is kept.
  virtual void dealt_with(std::uint64_t position) { static_cast<void>(position); }
  // The line's requests were cancelled.
  virtual void forget(Ticket ticket) { static_cast<void>(ticket); }
  // To be set to 1 from any thread when something of the line begins that can't be done twice; as
  // long as the line is kept. Null: nobody wants to know.
  virtual std::atomic<std::uint8_t>* begun_mark(Ticket ticket) {
    static_cast<void>(ticket);
    return nullptr;
  }
  // What Connection::resume() needs besides the lines, as text.
  virtual void protocol_changed(const std::string& state) { static_cast<void>(state); }
};

}  // namespace pyember::mcp
