#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "host/loop/uv_handle.h"
#include "journal/journal.h"
#include "mcp/continuation.h"
#include "mcp/output.h"

namespace pyember::host {

// The descriptors the protocol runs over, taken away from everybody else: whatever in this process
// reads descriptor 0 afterwards reads nothing, and whatever writes to 1 writes to stderr.
struct ProtocolDescriptors {
  int input = -1;
  int output = -1;
};

// Takes descriptors 0 and 1 of the process over. Call once, before any thread exists.
ProtocolDescriptors take_stdio();

// One client on a pair of descriptors: bytes from it, whole lines to it.
//
// What comes and goes is in a journal, which may outlive this server: resume() goes on with what
// the server before it left there.
//
// Lines written during one turn of the loop go out in one write before the loop waits again. When
// the client does not read, they queue; from limits::kPendingOutputBytes on, requests that arrive
// are held back (cancellations among them still count), and from limits::kHeldInputBytes of those
// on, nothing more is read until the client reads. So memory is bounded, and a client that reads
// slowly is served slowly.
//
// Loop's thread only. Owns the descriptors.
class StdioTransport final : public mcp::Output {
 public:
  struct Callbacks {
    std::function<void(std::string_view)> bytes;
    std::function<void(std::string_view)> early;  // a line out of its turn; it comes again
    std::function<void()> end;                    // the client closed its end; called once
    std::function<void()> peer_gone;  // nobody reads what we write any more; called once
  };

  // The journal outlives the transport.
  StdioTransport(EventLoop& loop, ProtocolDescriptors descriptors, journal::Journal& journal,
                 Callbacks callbacks);
  ~StdioTransport() override;

  // What a server before this one has left, once, before start(): for mcp::Connection::resume().
  mcp::Continuation resume();
  void start();

  void send(std::string&& line, const mcp::Envelope& envelope) override;
  mcp::Ticket keep(std::string_view line, std::uint64_t position) override;
  void dealt_with(std::uint64_t position) override;
  void forget(mcp::Ticket ticket) override;
  std::atomic<std::uint8_t>* begun_mark(mcp::Ticket ticket) override;
  void protocol_changed(const std::string& state) override;

  // Leaves what has not begun to the server after this one: nothing more is read or passed on, and
  // calls that have not begun are not answered.
  void hand_over();

  // The client does not keep up: what may be left out should be.
  bool congested() const;
  bool flushed() const { return pending_bytes() == 0; }
  std::size_t pending_bytes() const { return journal_.output.pending() + waiting_bytes_; }
  // Writes what waits; used in the loop's turns, and at the end.
  void flush();

 private:
  // A line for which the journal has no room.
  struct Waiting {
    std::string line;  // with its newline; what of it is in the journal is cut off
    mcp::Ticket ticket;
  };

  void readable();
  void pass_on();
  std::size_t held_bytes() const;
  void append(std::string_view line, std::string_view newline, mcp::Ticket ticket);
  void append_waiting();
  void watch_output(bool on);
  void give_up_output();
  void input_ended();
  void update_reading();
  void let_cancels_past();

  const ProtocolDescriptors descriptors_;
  Callbacks callbacks_;
  journal::Journal& journal_;

  // Positions of the input. What was read and not passed on waits for the client to read.
  std::uint64_t passed_to_ = 0;
  std::uint64_t searched_to_ = 0;  // for cancellations
  bool passing_ = false;
  bool resuming_ = false;      // what is answered now was another server's to answer
  bool at_line_start_ = true;  // of what the callback was given
  bool handing_over_ = false;
  bool input_over_ = false;
  bool end_told_ = false;
  bool reading_ = false;

  std::deque<Waiting> waiting_;
  std::size_t waiting_bytes_ = 0;
  bool output_gone_ = false;
  bool watching_output_ = false;

  Poll input_poll_;
  Poll output_poll_;
  EveryTurn input_turns_;  // for input that can't be polled: a regular file
  BeforeWait before_wait_;
};

}  // namespace pyember::host
