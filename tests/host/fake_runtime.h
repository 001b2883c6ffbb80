#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "embed/runtime.h"

namespace pyember::host {

// Stands in for CPython: sessions with a thread and two pipes each, whose cells are scripts of one
// command a line:
//   print TEXT   error TEXT    write a line to stdout or stderr
//   flood N                    writes N bytes to stdout
//   sleep MS                   can be interrupted and times out
//   result TEXT  raise TYPE    ends with this
//   lose REASON                the session is lost
//   set WORD   state           the state that snapshots carry; its value as the result
//   worker REASON              needs a worker, in a session that looks ahead; else nothing
//   later MS TEXT              prints TEXT after MS milliseconds, from a thread of its own
class FakeRuntime final : public embed::Runtime {
 public:
  std::unique_ptr<embed::Session> open_session(embed::SessionOptions options,
                                               embed::SessionListener& listener) override;
  embed::RuntimeHealth health() const override;
  void end_children(std::chrono::milliseconds) override { ended_children = true; }

  std::size_t sessions_opened = 0;
  std::atomic<bool> ended_children{false};
  mutable std::mutex mutex;
  embed::RuntimeHealth told{.started = true};  // guarded by mutex
};

}  // namespace pyember::host
