#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
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
// They run at the end of a turn, after the descriptors that were found ready.
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
  void catch_up();

  // For a task that runs: whatever its poster wrote to a polled descriptor before it posted has
  // been called back already. True only where that is certain, see loop_poster.cpp.
  bool settled() const { return settled_; }

 private:
  void wait_over();
  std::size_t drain();  // how many tasks the first look found

  std::mutex mutex_;
  std::vector<Task> posted_;             // guarded by mutex_
  std::atomic<std::uint64_t> posts_{0};  // ever; written under mutex_
  std::vector<Task> running_;            // loop's thread only; kept for its capacity
  std::size_t next_ = 0;                 // first of running_ that has not run

  std::uint64_t posts_before_wait_ = 0;
  bool woken_ = false;       // in this turn
  bool stale_wake_ = false;  // a wake-up may be under way whose task has run
  bool settled_ = false;
  const LoopWaker waker_;
  const BeforeWait before_wait_;
  const AfterWait after_wait_;
};

}  // namespace pyember::host
