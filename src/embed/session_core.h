#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>

#include "embed/session.h"
#include "embed/wake_word.h"

// What a session's handle (on the loop's thread), its thread and the stopper share. Held by
// shared_ptr: the handle may go while the thread still unwinds, and the other way round.
namespace pyember::embed {

class SessionThread;

// The two pipes that carry a session's descriptors 1 and 2 to the server. The read ends are
// non-blocking. The write ends stay open in the server's table as long as the session lives, so
// that the loop never sees an end of file and the session's thread can open its own copies by
// their names in /proc.
class OutputPipes {
 public:
  OutputPipes();  // without pipes (valid() is false) when descriptors have run out
  ~OutputPipes();
  OutputPipes(const OutputPipes&) = delete;
  OutputPipes& operator=(const OutputPipes&) = delete;

  // Once, by the session's handle, under SessionCore::mutex: a lost session's thread keeps its core
  // for ever, but must not keep the server's descriptors.
  void close();

  bool valid() const { return ends_[0][0] >= 0 && ends_[1][0] >= 0; }
  ino_t inode(int stream) const { return inodes_[stream - 1]; }
  int read_end(int stream) const { return ends_[stream - 1][0]; }
  int write_end(int stream) const { return ends_[stream - 1][1]; }

 private:
  int ends_[2][2] = {{-1, -1}, {-1, -1}};
  ino_t inodes_[2] = {0, 0};
};

// What the session's code may open to ask the server, by the numbers in the server's table.
struct CallEnds {
  enum class State { None, Wanted, Given, Refused } state = State::None;
  int calls = -1;
  int answers = -1;
};

struct SessionCore {
  SessionCore(SessionOptions session_options, SessionListener& session_listener,
              std::uint64_t session_serial)
      : options(std::move(session_options)), serial(session_serial), listener_(&session_listener) {}

  const SessionOptions options;
  const std::uint64_t serial;  // unique among the servers of this machine
  OutputPipes pipes;

  // Guards what follows. Never held while Python's GIL is.
  std::mutex mutex;
  WakeWord changed;  // the session's thread waits on it
  std::deque<CellRequest> queue;
  CellNumber running = 0;  // 0: none
  std::chrono::steady_clock::time_point running_since{};
  CellNumber drained = 0;  // every cell up to this one has its output read
  bool closing = false;
  bool only_carries = false;  // a cell needs a worker: snapshots are taken, code is not run …
  bool held_back = false;     // … and nothing at all until what waits behind it was taken back
  std::optional<std::uint64_t> reset_ticket;
  std::optional<std::uint64_t> inspect_ticket;
  std::optional<CheckpointOrder> checkpoint;  // to be begun while nothing else is asked
  CallEnds calls;
  SessionThread* thread = nullptr;  // null until an interpreter is there

  // Somebody has asked for something: a checkpoint under way gives up at its next look.
  std::atomic<bool> awaited{false};

  // Odd while the loop reads the pipes; even otherwise. Changes with every read.
  std::atomic<std::uint64_t> read_epoch{0};

  // Calls `tell` with the listener unless the handle is gone. Held during the call, so that the
  // handle's destructor can wait for it; the listener only posts.
  template <typename Tell>
  void notify(Tell tell) {
    const std::lock_guard lock(listener_mutex_);
    if (listener_) tell(*listener_);
  }
  void detach_listener() {
    const std::lock_guard lock(listener_mutex_);
    listener_ = nullptr;
  }

 private:
  std::mutex listener_mutex_;
  SessionListener* listener_;
};

}  // namespace pyember::embed
