#include "host/loop/loop_waker.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "base/check.h"
#include "embed/kept_descriptor.h"
#include "embed/session_slot.h"

namespace pyember::host {

namespace {

// The eventfd of the loop that lives; -1: none. One loop a process has a waker (App owns it).
std::atomic<int> signalled_descriptor{-1};
static_assert(std::atomic<int>::is_always_lock_free, "read in a signal handler");

int loop_signal() { return SIGRTMIN + 14; }  // next to embed's two, see session_slot.cpp

// True when the loop will wake: EAGAIN says that it has been woken very often already.
bool write_to(int descriptor) noexcept {
  constexpr std::uint64_t kOne = 1;
  return write(descriptor, &kOne, sizeof kOne) == sizeof kOne || errno == EAGAIN;
}

void on_loop_signal(int, siginfo_t* info, void*) noexcept {
  // What the signal carries is not looked at: any code in this process may have queued it, and
  // would choose which of the server's descriptors is written to. A wake-up too many does no harm.
  if (info->si_code != SI_QUEUE || info->si_pid != getpid()) return;
  const int descriptor = signalled_descriptor.load(std::memory_order_relaxed);
  if (descriptor < 0) return;
  const int saved = errno;
  write_to(descriptor);
  errno = saved;
}

int make_descriptor() {
  const int low = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  CHECK(low >= 0);
  const int high = fcntl(low, F_DUPFD_CLOEXEC, embed::preferred_kept_descriptor());
  if (high < 0) return low;
  close(low);
  return high;
}

}  // namespace

LoopWaker::LoopWaker(EventLoop& loop, std::function<void()> woken)
    : loop_(loop),
      descriptor_(make_descriptor()),
      loop_thread_(pthread_self()),
      woken_(std::move(woken)),
      poll_(loop, descriptor_, [this](int) { readable(); }) {
  CHECK(poll_.valid());
  poll_.start(UV_READABLE);
  embed::keep_descriptor(descriptor_);
  signalled_descriptor.store(descriptor_);
  struct sigaction action {};
  action.sa_sigaction = on_loop_signal;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigemptyset(&action.sa_mask);
  CHECK(sigaction(loop_signal(), &action, nullptr) == 0);
}

LoopWaker::~LoopWaker() {
  poll_.stop();
  if (embed::kept_descriptor() == descriptor_) embed::keep_descriptor(-1);
  int mine = descriptor_;
  signalled_descriptor.compare_exchange_strong(mine, -1);
  close(descriptor_);
}

void LoopWaker::wake() const {
  const embed::ServerScope server;  // session code may not signal the server's threads; we may
  if (write_to(descriptor_)) return;
  CHECK(pthread_sigqueue(loop_thread_, loop_signal(), sigval{}) == 0);
}

void LoopWaker::readable() {
  if (!edge_triggered_) {
    std::uint64_t count = 0;
    if (read(descriptor_, &count, sizeof count) < 0) CHECK(errno == EAGAIN || errno == EINTR);
    edge_triggered_ = set_edge_triggered();
  }
  woken_();
}

// Every write to an eventfd is an edge of its own (eventfd(2)), so nothing need be read: one system
// call less for each answer. libuv has registered the descriptor by the time of the first wake-up,
// and touches the registration again only when what is watched for changes. The counter has room
// for 2^64 wake-ups.
bool LoopWaker::set_edge_triggered() const {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.fd = descriptor_;  // how libuv finds the handle
  return epoll_ctl(uv_backend_fd(loop_.raw()), EPOLL_CTL_MOD, descriptor_, &event) == 0;
}

}  // namespace pyember::host
