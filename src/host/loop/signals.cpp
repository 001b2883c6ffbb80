#include "host/loop/signals.h"

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <cerrno>
#include <utility>

#include "embed/session_slot.h"

namespace pyember::host {

namespace {

// What the handler may touch; a signal handler has no other way to its owner.
std::atomic<uv_async_t*> wake{nullptr};
std::atomic<int> received{0};
pthread_t loop_thread;

void handle(int signal) {
  const int saved = errno;
  if (!pthread_equal(pthread_self(), loop_thread)) {
    const embed::ServerScope server;  // session code may not signal the server; this is not it
    pthread_kill(loop_thread, signal);
  } else if (uv_async_t* async = wake.load()) {
    received.store(signal);
    uv_async_send(async);  // documented as safe in a signal handler
  }
  errno = saved;
}

}  // namespace

TerminationSignals::TerminationSignals(EventLoop& loop, std::initializer_list<int> signals,
                                       std::function<void(int)> callback)
    : callback_(std::move(callback)), async_(loop) {
  CHECK(wake.load() == nullptr);
  CHECK(uv_async_init(loop.raw(), async_.get(), [](uv_async_t* async) {
          if (const int signal = received.exchange(0)) {
            static_cast<TerminationSignals*>(async->data)->callback_(signal);
          }
        }) == 0);
  async_.opened(this);
  uv_unref(async_.base());
  loop_thread = pthread_self();
  wake.store(async_.get());
  struct sigaction action {};
  action.sa_handler = handle;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (const int signal : signals) sigaction(signal, &action, nullptr);
}

TerminationSignals::~TerminationSignals() { wake.store(nullptr); }

}  // namespace pyember::host
