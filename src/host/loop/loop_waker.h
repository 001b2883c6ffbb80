#pragma once

#include <pthread.h>
#include <uv.h>

namespace pyember::host {

// Wakes the loop from any thread, session threads included. Those have a descriptor table of their
// own, in which libuv's eventfd does not exist (and its number may be a file of the session's), so
// from there the wake-up travels as a signal to the loop's thread, whose handler does the
// uv_async_send; that is allowed in signal handlers (libuv: uv_async_send).
class LoopWaker {
 public:
  // On the loop's thread.
  explicit LoopWaker(uv_async_t& async);
  void wake() const;

 private:
  uv_async_t& async_;
  const pthread_t loop_thread_;
};

}  // namespace pyember::host
