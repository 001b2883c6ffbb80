#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/call_pipes.h"
#include "host/loop/uv_handle.h"
#include "host/upstream/call_frames.h"
#include "host/upstream/call_service.h"

namespace pyember::host {

// The server's end of one session's calls channel (docs/code-mode-wire.md): takes frames apart,
// hands calls that come with the running cell's token to the service, so many at a time, and writes
// what comes of them. What a session writes is untrusted: one that breaks the rules has no channel
// any more, and nothing else happens to it.
//
// Owned by the session's link; loop's thread only. Destroying it cancels what is under way.
class SessionCalls {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // The cell that runs; 0: none.
    virtual embed::CellNumber running_cell() = 0;
    // For the code of that cell; null: it may ask for nothing.
    virtual std::shared_ptr<RunPermit> permit_for(embed::CellNumber cell) = 0;
  };

  // `chunk` is read into; others may use it too.
  SessionCalls(EventLoop& loop, std::shared_ptr<CallPipes> pipes, CallService& service,
               Owner& owner, std::vector<char>& chunk);
  ~SessionCalls();
  SessionCalls(const SessionCalls&) = delete;
  SessionCalls& operator=(const SessionCalls&) = delete;

  // Cancels what it has asked for; its token is good for nothing any more.
  void cell_ended(embed::CellNumber cell);

 private:
  // A call that was taken, and is not answered.
  struct Call {
    std::shared_ptr<RunPermit> permit;
    std::size_t bytes = 0;         // of its frame
    bool served = false;           // else it waits
    std::uint64_t service_id = 0;  // 0: not known yet
  };
  struct Waiting {
    std::uint64_t id = 0;
    CallOrder order;
  };

  void readable();
  void take_frames();
  void take(std::string_view text);
  void take_unreadable(std::string_view text, const Error& error);
  void begin(std::uint64_t id);
  void cancel(const mcp::Json& frame);
  void call(std::uint64_t id, mcp::Json frame, std::size_t bytes);
  void serve_waiting();
  void serve(std::uint64_t id, CallOrder order);
  void finished(std::uint64_t id, const CallAnswer& answer);
  void drop(std::map<std::uint64_t, Call>::iterator call);
  void refuse(std::uint64_t id, const CallError& error);
  void send(std::string frame);
  void write_some();
  void look_at_pressure();
  enum class Pipe { Idle, InUse };
  void break_off(const char* why, Pipe outgoing = Pipe::Idle);

  EventLoop& loop_;
  const std::shared_ptr<CallPipes> pipes_;
  CallService& service_;
  Owner& owner_;
  std::vector<char>& chunk_;
  // What calls back asks whether this is still there.
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);

  std::shared_ptr<RunPermit> permit_;  // of the cell that has asked for a token last; null: none
  std::string token_;
  std::map<std::uint64_t, Call> calls_;
  std::deque<Waiting> waiting_;
  std::size_t served_ = 0;  // of calls_
  bool serving_ = false;    // serve_waiting() is under way

  CallFrameReader frames_;
  std::deque<std::string> unsent_;
  std::size_t sent_ = 0;  // of the first one
  std::size_t unsent_bytes_ = 0;
  std::size_t held_bytes_ = 0;  // of the frames in calls_
  bool large_pipe_ = false;
  bool broken_ = false;
  bool reading_ = true;
  Poll poll_;
  std::unique_ptr<Poll> write_poll_;  // made when the pipe is full for the first time
};

}  // namespace pyember::host
