#include "host/loop/loop_poster.h"

#include <utility>

#include "base/limits.h"

// When is a turn settled? A thread writes to a pipe, posts, and wakes the loop. If it was this
// wake-up that the turn's wait reported, the wait reported the pipe as well, because the pipe was
// ready before; and tasks run after everything reported has been called back. So it has to be
// certain whose wake-up was reported: one task was posted since the wait began, one task was found,
// and no wake-up of an earlier task can have been on its way (a turn that is not woken shows that,
// because the wait reports all there is).
namespace pyember::host {

LoopPoster::LoopPoster(EventLoop& loop)
    : waker_(loop, [this] { woken_ = true; }),
      before_wait_(loop, [this] { posts_before_wait_ = posts_.load(std::memory_order_relaxed); }),
      after_wait_(loop, [this] { wait_over(); }) {}

void LoopPoster::post(Task task) {
  bool first;
  {
    const std::lock_guard lock(mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(task));
    posts_.fetch_add(1, std::memory_order_relaxed);
  }
  // Whoever put the first task in wakes the loop; the others ride along, because the loop takes
  // the whole vector.
  if (first) waker_.wake();
}

void LoopPoster::catch_up() {
  if (drain() > 0) stale_wake_ = true;
}

void LoopPoster::wait_over() {
  if (!std::exchange(woken_, false)) {
    stale_wake_ = false;
    return;
  }
  const bool one_post = posts_.load(std::memory_order_relaxed) - posts_before_wait_ == 1;
  const bool certain = one_post && !std::exchange(stale_wake_, false);
  settled_ = certain;
  const std::size_t found = drain();
  settled_ = false;
  if (!certain && found > 0) stale_wake_ = true;
}

std::size_t LoopPoster::drain() {
  std::size_t budget = limits::kPostsPerTurn;
  std::size_t found = 0;
  bool looked = false;
  while (budget > 0) {
    if (next_ == running_.size()) {
      running_.clear();
      next_ = 0;
      const std::lock_guard lock(mutex_);
      if (posted_.empty()) return found;
      std::swap(running_, posted_);
      found += running_.size();
      // What a second look finds was posted after the wait.
      settled_ = settled_ && !looked && running_.size() == 1;
      looked = true;
    }
    for (; next_ < running_.size() && budget > 0; --budget) {
      const Task task = std::move(running_[next_++]);
      task();
    }
  }
  waker_.wake();
  stale_wake_ = true;
  return found;
}

}  // namespace pyember::host
