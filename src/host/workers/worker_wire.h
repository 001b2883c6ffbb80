#pragma once

#include <deque>
#include <span>
#include <string>
#include <string_view>

#include "base/descriptor.h"
#include "host/loop/uv_handle.h"
#include "host/workers/frames.h"

namespace pyember::host {

// The server's end of one worker's wire: frames in both directions, never waiting. What can't be
// sent at once is sent as the worker reads. Loop's thread only.
//
// After an end (the stream's, or of our patience with what came) nothing is read or sent any more.
class WorkerWire {
 public:
  // Called from within the loop's poll or from read_now(), never from send(). Must not destroy the
  // wire; may close it.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void wire_frame(Frame& frame) = 0;
    // Once. `broken`: what the worker did wrong; empty when the stream just ended.
    virtual void wire_ended(const std::string& broken) = 0;
  };

  WorkerWire(EventLoop& loop, Descriptor socket, Owner& owner);
  WorkerWire(const WorkerWire&) = delete;
  WorkerWire& operator=(const WorkerWire&) = delete;

  // `header` is JSON; the body is taken over, because it may have to wait.
  void send(std::string_view header, std::string body = {});
  // One byte with descriptors, for a worker that waits for nothing else. False: not sent.
  bool send_descriptors(std::span<const Descriptor> descriptors);
  // Handles what has arrived but was not looked at yet.
  void read_now() { readable(); }
  void close();

 private:
  void ready(int events);
  void readable();
  bool give_frames();
  void end(const std::string& broken);
  void write_waiting();
  void watch();

  Descriptor socket_;
  Owner& owner_;
  FrameReader reader_;
  std::deque<std::string> waiting_;  // to be sent, in order
  std::size_t sent_ = 0;             // of the first of them
  bool watching_writes_ = false;
  bool ended_ = false;
  Poll poll_;
};

}  // namespace pyember::host
