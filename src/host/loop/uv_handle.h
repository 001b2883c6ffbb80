#pragma once

#include <uv.h>

#include <chrono>
#include <functional>

#include "base/check.h"
#include "host/loop/event_loop.h"

namespace pyember::host {

// Owns one heap-allocated libuv handle: destroying the owner closes it, and the memory goes in
// libuv's close callback, which may come after the owner is gone. Owners do not move.
template <typename Handle>
class UvHandle {
 public:
  explicit UvHandle(EventLoop& loop) : loop_(loop), handle_(new Handle{}) {
    CHECK(loop.on_loop_thread());
  }
  ~UvHandle() {
    CHECK(loop_.on_loop_thread());
    handle_->data = nullptr;
    if (!opened_) {
      delete handle_;
      return;
    }
    uv_close(base(), [](uv_handle_t* closed) { delete reinterpret_cast<Handle*>(closed); });
  }
  UvHandle(const UvHandle&) = delete;
  UvHandle& operator=(const UvHandle&) = delete;

  Handle* get() { return handle_; }
  uv_handle_t* base() { return reinterpret_cast<uv_handle_t*>(handle_); }
  // After a successful uv_*_init: from here on the handle must be closed.
  void opened(void* owner) {
    opened_ = true;
    handle_->data = owner;
  }

 private:
  EventLoop& loop_;
  Handle* handle_;
  bool opened_ = false;
};

// Calls back once or repeatedly. A running timer does not keep the loop alive.
class Timer {
 public:
  Timer(EventLoop& loop, std::function<void()> callback);
  void start(std::chrono::milliseconds after, std::chrono::milliseconds repeat = {});
  void stop();
  bool active();

 private:
  UvHandle<uv_timer_t> handle_;
  std::function<void()> callback_;
};

// Watches a descriptor for reading, or writing. The descriptor is borrowed and must stay open
// until this is destroyed. `valid()` is false for what can't be watched (a regular file).
class Poll {
 public:
  Poll(EventLoop& loop, int fd, std::function<void(int events)> callback);
  bool valid() const { return valid_; }
  void start(int events);  // UV_READABLE, UV_WRITABLE; a second start replaces the first
  void stop();

 private:
  UvHandle<uv_poll_t> handle_;
  std::function<void(int)> callback_;
  bool valid_ = false;
};

// Calls back in every turn of the loop, just before it would wait.
class BeforeWait {
 public:
  BeforeWait(EventLoop& loop, std::function<void()> callback);

 private:
  UvHandle<uv_prepare_t> handle_;
  std::function<void()> callback_;
};

// Calls back in every turn while started, and keeps the loop from waiting.
class EveryTurn {
 public:
  EveryTurn(EventLoop& loop, std::function<void()> callback);
  void start();
  void stop();

 private:
  UvHandle<uv_idle_t> handle_;
  std::function<void()> callback_;
};

}  // namespace pyember::host
