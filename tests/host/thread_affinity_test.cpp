#include "support/catch.h"

#ifdef __linux__

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "base/thread_affinity.h"

using namespace pyember;

namespace {

int cpus_of(pid_t tid) {
  cpu_set_t cpus;
  return sched_getaffinity(tid, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : -1;
}

bool may_run_on(pid_t tid, int cpu) {
  cpu_set_t cpus;
  return sched_getaffinity(tid, sizeof cpus, &cpus) == 0 && CPU_ISSET(cpu, &cpus);
}

// A thread that waits until told to go, and its kernel id.
struct WaitingThread {
  std::atomic<pid_t> tid{0};
  std::atomic<bool> release{false};
  std::atomic<bool> end{false};
  std::thread thread{[this] {
    tid = static_cast<pid_t>(syscall(SYS_gettid));
    while (!release && !end) std::this_thread::yield();
    if (release) release_this_thread_to_all_cpus();
    release = false;
    while (!end) std::this_thread::yield();
  }};
  WaitingThread() {
    while (tid == 0) std::this_thread::yield();
  }
  ~WaitingThread() {
    end = true;
    thread.join();
  }
};

}  // namespace

TEST_CASE(
    "HomeCpu: a dispatch brings both threads to one CPU and spreading gives the others back") {
  const int all = cpus_of(0);
  HomeCpu home;
  if (!home.enabled()) {
    CHECK(all == 1);
    return;
  }
  WaitingThread worker;
  HomeThread state;
  home.dispatch(state, worker.tid, 1000);
  REQUIRE(home.home() >= 0);
  CHECK(cpus_of(0) == 1);
  CHECK(cpus_of(worker.tid) == 1);
  CHECK(may_run_on(worker.tid, home.home()));
  home.spread(state, worker.tid, 1);
  CHECK(cpus_of(worker.tid) == all - 1);
  CHECK_FALSE(may_run_on(worker.tid, home.home()));
  home.spread(state, worker.tid, static_cast<std::size_t>(all));
  CHECK(cpus_of(worker.tid) == all);
  home.release_loop();
  CHECK(cpus_of(0) == all);
}

TEST_CASE("HomeCpu: a thread that released itself is brought home again at its next dispatch") {
  HomeCpu home;
  if (!home.enabled()) return;
  const int all = cpus_of(0);
  WaitingThread worker;
  HomeThread state;
  home.dispatch(state, worker.tid, 1000);
  REQUIRE(cpus_of(worker.tid) == 1);
  worker.release = true;
  while (worker.release) std::this_thread::yield();
  CHECK(cpus_of(worker.tid) == all);
  home.dispatch(state, worker.tid, 2000);
  CHECK(cpus_of(worker.tid) == 1);
}

TEST_CASE("HomeCpu: after a while of activity the home is chosen anew") {
  HomeCpu home;
  if (!home.enabled()) return;
  WaitingThread worker;
  HomeThread state;
  home.dispatch(state, worker.tid, 1000);
  REQUIRE(home.home() >= 0);
  home.dispatch(state, worker.tid, 1'000'000'000);
  CHECK(home.home() == -1);
  home.dispatch(state, worker.tid, 1'000'001'000);
  CHECK(home.home() >= 0);
}

#endif
