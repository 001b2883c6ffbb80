#pragma once

#include <chrono>
#include <functional>

#include "host/loop/event_loop.h"
#include "host/loop/loop_poster.h"

namespace pyember::host {

// A loop that tests turn until something has happened.
struct LoopFixture {
  EventLoop loop;
  LoopPoster poster{loop};

  // False when it has not happened within the deadline.
  bool until(const std::function<bool()>& happened,
             std::chrono::milliseconds deadline = std::chrono::seconds(20)) {
    Timer turn(loop, [] {});
    turn.start(std::chrono::milliseconds(1), std::chrono::milliseconds(1));
    const std::uint64_t end = now_ns() + static_cast<std::uint64_t>(deadline.count()) * 1'000'000;
    while (!happened()) {
      if (now_ns() > end) return false;
      uv_run(loop.raw(), UV_RUN_ONCE);
    }
    return true;
  }

  // Turns the loop for a while, for what must not happen.
  void turn_for(std::chrono::milliseconds duration) {
    until([] { return false; }, duration);
  }
};

}  // namespace pyember::host
