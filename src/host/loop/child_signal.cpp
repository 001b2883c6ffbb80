#include "host/loop/child_signal.h"

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <cerrno>

#include "base/check.h"
#include "embed/session_slot.h"

namespace pyember::host {

namespace {

// What the signal handler may look at. Written before the handler is installed.
std::atomic<pthread_t> loop_thread{};
struct sigaction libuv_action {};

void handle(int signal) {
  const int saved = errno;
  const pthread_t home = loop_thread.load();
  if (pthread_equal(pthread_self(), home)) {
    libuv_action.sa_handler(signal);
  } else {
    const embed::ServerScope server;  // session code may not signal the server; this is not it
    pthread_kill(home, signal);
  }
  errno = saved;
}

bool installed() {
  struct sigaction present {};
  return sigaction(SIGCHLD, nullptr, &present) == 0 && present.sa_handler == handle;
}

}  // namespace

void keep_child_signal_on_loop(EventLoop& loop) {
  CHECK(loop.on_loop_thread());
  if (installed() && pthread_equal(loop_thread.load(), pthread_self())) return;
  // A watcher of our own: libuv takes its handler away when its last child is gone, and puts it
  // back with the next, over ours. It stays for the life of the process and keeps nothing alive.
  // It belongs to a loop that is never closed either, so that tests may make and close loops.
  static uv_loop_t* const keeper = [] {
    auto* made = new uv_loop_t{};
    auto* watcher = new uv_signal_t{};
    CHECK(uv_loop_init(made) == 0 && uv_signal_init(made, watcher) == 0);
    CHECK(uv_signal_start(
              watcher, [](uv_signal_t*, int) {}, SIGCHLD) == 0);
    CHECK(sigaction(SIGCHLD, nullptr, &libuv_action) == 0);
    return made;
  }();
  CHECK(keeper != nullptr);
  loop_thread.store(pthread_self());
  struct sigaction action {};
  action.sa_handler = handle;
  sigfillset(&action.sa_mask);  // as libuv's own
  action.sa_flags = SA_RESTART;
  CHECK(sigaction(SIGCHLD, &action, nullptr) == 0);
}

}  // namespace pyember::host
