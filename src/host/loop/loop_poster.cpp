#include "host/loop/loop_poster.h"

#include <utility>

#include "base/limits.h"

namespace pyember::host {

LoopPoster::LoopPoster(EventLoop& loop) : waker_(loop, [this] { drain(); }) {}

void LoopPoster::post(Task task) {
  bool first;
  {
    const std::lock_guard lock(mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(task));
  }
  // Whoever put the first task in wakes the loop; the others ride along, because the loop takes
  // the whole vector.
  if (first) waker_.wake();
}

void LoopPoster::drain() {
  std::size_t budget = limits::kPostsPerTurn;
  while (budget > 0) {
    if (next_ == running_.size()) {
      running_.clear();
      next_ = 0;
      const std::lock_guard lock(mutex_);
      if (posted_.empty()) return;
      std::swap(running_, posted_);
    }
    for (; next_ < running_.size() && budget > 0; --budget) {
      const Task task = std::move(running_[next_++]);
      task();
    }
  }
  waker_.wake();
}

}  // namespace pyember::host
