#pragma once

#include <pthread.h>

#include <functional>

#include "host/loop/uv_handle.h"

namespace pyember::host {

// Wakes the loop from any thread, session threads included. Those have a descriptor table of their
// own, in which libuv's eventfd does not exist. So this one is kept in all of them under the same
// number (embed/kept_descriptor.h), and a wake-up is one write. Should a session have got rid of it
// all the same, the wake-up travels as a signal to the loop's thread, whose handler does the write.
class LoopWaker {
 public:
  // On the loop's thread, before the runtime starts. `woken` is called there; wake-ups merge.
  LoopWaker(EventLoop& loop, std::function<void()> woken);
  ~LoopWaker();
  LoopWaker(const LoopWaker&) = delete;
  LoopWaker& operator=(const LoopWaker&) = delete;

  void wake() const;  // any thread

 private:
  void readable();
  bool set_edge_triggered() const;

  EventLoop& loop_;
  const int descriptor_;
  bool edge_triggered_ = false;
  const pthread_t loop_thread_;
  const std::function<void()> woken_;
  Poll poll_;
};

}  // namespace pyember::host
