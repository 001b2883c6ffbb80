#include "host/loop/loop_waker.h"

#include <signal.h>
#include <unistd.h>

#include "base/check.h"
#include "embed/session_slot.h"

namespace pyember::host {

namespace {

int loop_signal() { return SIGRTMIN + 14; }  // next to embed's two, see session_slot.cpp

void on_loop_signal(int, siginfo_t* info, void*) noexcept {
  // Only what this process queued carries a pointer of ours.
  if (info->si_code != SI_QUEUE || info->si_pid != getpid()) return;
  uv_async_send(static_cast<uv_async_t*>(info->si_value.sival_ptr));
}

}  // namespace

LoopWaker::LoopWaker(uv_async_t& async) : async_(async), loop_thread_(pthread_self()) {
  struct sigaction action {};
  action.sa_sigaction = on_loop_signal;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigemptyset(&action.sa_mask);
  CHECK(sigaction(loop_signal(), &action, nullptr) == 0);
}

void LoopWaker::wake() const {
  if (!embed::current_slot) {
    uv_async_send(&async_);
    return;
  }
  const embed::ServerScope server;  // session code may not signal the server's threads; we may
  sigval value{};
  value.sival_ptr = &async_;
  CHECK(pthread_sigqueue(loop_thread_, loop_signal(), value) == 0);
}

}  // namespace pyember::host
