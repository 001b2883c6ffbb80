#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace pyember {

// What HomeCpu remembers of one session's thread. A member of whatever owns the session.
struct HomeThread {
  int cpu = -1;             // the one CPU it was set to; -1: it may use all
  std::uint64_t epoch = 0;  // the HomeCpu epoch that `cpu` was written in
};

// Keeps the loop's thread and the thread of the session it hands a small cell to on one CPU: a
// hand-over there and back costs 5 to 7 µs then, and 50 to 90 µs when its wake-ups cross CPUs.
// Only a short cell is worth it, so the owner spreads a thread again when its cell turns out long.
//
// Owner: the host's session registry. Every method is called on the loop's thread and none can
// fail: an affinity the kernel refuses is forgotten and nothing is pinned. In the steady state
// (same home, same threads) no method makes a system call. Does nothing where the process has
// only one CPU, or on anything but Linux.
class HomeCpu {
 public:
  HomeCpu();
  ~HomeCpu();
  HomeCpu(const HomeCpu&) = delete;
  HomeCpu& operator=(const HomeCpu&) = delete;

  // A session that was idle is about to get a cell: brings both threads to the home CPU.
  // `now_ns` is a monotonic time. Every kHomeCpuPeriod of activity the home is chosen anew, so
  // that it follows the client and leaves a CPU that others keep busy.
  void dispatch(HomeThread& thread, pid_t tid, std::uint64_t now_ns);

  // The cell runs long: its thread leaves the home CPU at once and may use the others. `busy` is
  // the number of sessions that run long now, this one included; when the other CPUs are enough
  // for them they stay off the home CPU, where the small cells of other sessions run.
  void spread(HomeThread& thread, pid_t tid, std::size_t busy);

  // The loop's thread may use every CPU again, until the next dispatch. Call it before making a
  // thread, which would inherit the pinned mask.
  void release_loop();

  bool enabled() const { return enabled_; }
  int home() const { return home_; }

 private:
  bool enabled_ = false;
  int home_ = -1;
  std::size_t cpu_count_ = 1;
  std::uint64_t chosen_at_ns_ = 0;
  std::uint64_t epoch_ = 1;
  std::uint64_t seen_releases_ = 0;
};

// Gives the calling thread the process's original CPUs back. For threads that were, or whose maker
// may have been, pinned: call it before a session's thread starts a thread or a child, because
// both inherit the mask. One system call; safe on any thread.
void release_this_thread_to_all_cpus() noexcept;

// The same for every thread of another process, one that a HomeCpu was given as a thread before it
// had any but its first.
void release_process_to_all_cpus(pid_t pid) noexcept;

}  // namespace pyember
