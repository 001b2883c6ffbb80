#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <mutex>

namespace pyember::embed {

// A condition variable for one waiting thread, with the part of std::condition_variable's interface
// that is used here. Lighter on the path of every cell: glibc's takes the mutex back as a contended
// one, so that each hand-over costs one more system call (__pthread_mutex_cond_lock).
//
// No wake-up is lost: notify_one() comes after the change was made under the mutex; the waiter
// reads the word under the mutex and sleeps only while it has not moved since.
class WakeWord {
 public:
  void notify_one() noexcept {
    word_.fetch_add(1);
    if (waiting_.load()) syscall(SYS_futex, &word_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }

  template <typename Predicate>
  void wait(std::unique_lock<std::mutex>& lock, Predicate ready) {
    while (!ready()) {
      const std::uint32_t seen = word_.load();
      waiting_.store(true);
      lock.unlock();
      syscall(SYS_futex, &word_, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
      waiting_.store(false);
      lock.lock();
    }
  }

 private:
  std::atomic<std::uint32_t> word_{0};
  std::atomic<bool> waiting_{false};
};

}  // namespace pyember::embed
