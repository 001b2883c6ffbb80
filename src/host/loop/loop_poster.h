#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "host/loop/loop_waker.h"
#include "host/loop/uv_handle.h"

namespace pyember::host {

// Brings work from other threads to the loop's thread: the only door there is. post() may be
// called on any thread; everything else on the loop's.
//
// Tasks run in the order they were posted. Wake-ups merge: many posts may lead to one turn. A turn
// runs at most limits::kPostsPerTurn tasks, so that a flood can't keep the loop from its other
// work. A task that captures two pointers or less costs no allocation.
//
// The poster must outlive every thread that may post. What is still queued when it is destroyed is
// dropped without being run.
//
// catch_up() runs what is queued without having been woken: session code that reads from every
// descriptor it finds can swallow a wake-up. Called at every tick.
class LoopPoster {
 public:
  using Task = std::function<void()>;

  explicit LoopPoster(EventLoop& loop);

  void post(Task task);
  void catch_up() { drain(); }

 private:
  void drain();

  std::mutex mutex_;
  std::vector<Task> posted_;   // guarded by mutex_
  std::vector<Task> running_;  // loop's thread only; kept for its capacity
  std::size_t next_ = 0;       // first of running_ that has not run
  const LoopWaker waker_;
};

}  // namespace pyember::host
