#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "host/loop/uv_handle.h"
#include "mcp/server.h"

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
    std::function<void()> end;        // the client closed its end; called once
    std::function<void()> peer_gone;  // nobody reads what we write any more; called once
  };

  StdioTransport(EventLoop& loop, ProtocolDescriptors descriptors, Callbacks callbacks);
  ~StdioTransport() override;

  void start();
  void write_line(std::string&& line) override;
  // The client does not keep up: what may be left out should be.
  bool congested() const;
  bool flushed() const { return pending_.empty(); }
  std::size_t pending_bytes() const { return pending_.size() - sent_; }
  // Writes what waits; used in the loop's turns, and at the end.
  void flush();

 private:
  void readable();
  void take(std::string_view bytes);
  void release_held();
  void watch_output(bool on);
  void give_up_output();
  void input_ended();
  void update_reading();
  void let_cancels_past();

  const ProtocolDescriptors descriptors_;
  Callbacks callbacks_;
  std::vector<char> chunk_;

  std::string held_;              // input that waits for the client to read
  std::size_t held_scanned_ = 0;  // of held_, already searched for cancellations
  bool at_line_start_ = true;     // of what the callback was given
  bool input_over_ = false;
  bool end_told_ = false;
  bool reading_ = false;

  std::string pending_;  // output; bytes before sent_ have been written
  std::size_t sent_ = 0;
  bool output_gone_ = false;
  bool watching_output_ = false;

  Poll input_poll_;
  Poll output_poll_;
  EveryTurn input_turns_;  // for input that can't be polled: a regular file
  BeforeWait before_wait_;
};

}  // namespace pyember::host
