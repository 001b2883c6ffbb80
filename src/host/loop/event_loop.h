#pragma once

#include <uv.h>

#include <chrono>
#include <cstdint>
#include <thread>

namespace pyember::host {

// The one libuv loop of the program. Lives on the thread that made it; the owners of handles check
// that they are used there.
class EventLoop {
 public:
  EventLoop();
  // Closes the loop. Handles still open get `limits::kLoopCloseDeadline` to close; those that do
  // not are named on stderr and leaked, never waited for.
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  void run();        // until stop(), or until no handle is active
  void run_ready();  // what is ready now; does not wait
  void stop();

  uv_loop_t* raw() { return &loop_; }
  bool on_loop_thread() const { return std::this_thread::get_id() == thread_; }

 private:
  uv_loop_t loop_{};
  std::thread::id thread_;
};

// A monotonic clock in nanoseconds, the one the loop and the sessions share.
inline std::uint64_t now_ns() { return uv_hrtime(); }

}  // namespace pyember::host
