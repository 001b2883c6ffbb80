#include "host/loop/event_loop.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/check.h"
#include "base/limits.h"

namespace pyember::host {

EventLoop::EventLoop() : thread_(std::this_thread::get_id()) { CHECK(uv_loop_init(&loop_) == 0); }

EventLoop::~EventLoop() {
  const std::uint64_t deadline =
      now_ns() +
      std::chrono::duration_cast<std::chrono::nanoseconds>(limits::kLoopCloseDeadline).count();
  while (uv_loop_close(&loop_) == UV_EBUSY) {
    uv_run(&loop_, UV_RUN_NOWAIT);
    if (now_ns() > deadline) {
      uv_print_all_handles(&loop_, stderr);
      return;
    }
  }
}

void EventLoop::run() {
  CHECK(on_loop_thread());
  uv_run(&loop_, UV_RUN_DEFAULT);
}

void EventLoop::run_ready() {
  CHECK(on_loop_thread());
  uv_run(&loop_, UV_RUN_NOWAIT);
}

void EventLoop::stop() { uv_stop(&loop_); }

}  // namespace pyember::host
