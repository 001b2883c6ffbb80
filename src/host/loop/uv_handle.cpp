#include "host/loop/uv_handle.h"

#include <utility>

namespace pyember::host {

Timer::Timer(EventLoop& loop, std::function<void()> callback)
    : handle_(loop), callback_(std::move(callback)) {
  CHECK(uv_timer_init(loop.raw(), handle_.get()) == 0);
  handle_.opened(this);
  uv_unref(handle_.base());
}

void Timer::start(std::chrono::milliseconds after, std::chrono::milliseconds repeat) {
  uv_timer_start(
      handle_.get(), [](uv_timer_t* timer) { static_cast<Timer*>(timer->data)->callback_(); },
      static_cast<std::uint64_t>(after.count()), static_cast<std::uint64_t>(repeat.count()));
}

void Timer::stop() { uv_timer_stop(handle_.get()); }

bool Timer::active() { return uv_is_active(handle_.base()) != 0; }

Poll::Poll(EventLoop& loop, int fd, std::function<void(int)> callback)
    : handle_(loop), callback_(std::move(callback)) {
  if (uv_poll_init(loop.raw(), handle_.get(), fd) != 0) return;
  handle_.opened(this);
  valid_ = true;
}

void Poll::start(int events) {
  if (!valid_) return;
  uv_poll_start(handle_.get(), events, [](uv_poll_t* poll, int status, int ready) {
    // An error (a closed peer) is reported as readable and writable: the read or write that
    // follows says what it is.
    auto* owner = static_cast<Poll*>(poll->data);
    owner->callback_(status < 0 ? UV_READABLE | UV_WRITABLE : ready);
  });
}

void Poll::stop() {
  if (valid_) uv_poll_stop(handle_.get());
}

BeforeWait::BeforeWait(EventLoop& loop, std::function<void()> callback)
    : handle_(loop), callback_(std::move(callback)) {
  CHECK(uv_prepare_init(loop.raw(), handle_.get()) == 0);
  handle_.opened(this);
  uv_unref(handle_.base());
  uv_prepare_start(handle_.get(), [](uv_prepare_t* prepare) {
    static_cast<BeforeWait*>(prepare->data)->callback_();
  });
}

EveryTurn::EveryTurn(EventLoop& loop, std::function<void()> callback)
    : handle_(loop), callback_(std::move(callback)) {
  CHECK(uv_idle_init(loop.raw(), handle_.get()) == 0);
  handle_.opened(this);
}

void EveryTurn::start() {
  uv_idle_start(handle_.get(),
                [](uv_idle_t* idle) { static_cast<EveryTurn*>(idle->data)->callback_(); });
}

void EveryTurn::stop() { uv_idle_stop(handle_.get()); }

}  // namespace pyember::host
