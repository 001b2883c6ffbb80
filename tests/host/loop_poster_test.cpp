#include "support/catch.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "host/loop/loop_waker.h"
#include "loop_fixture.h"

using namespace pyember::host;

TEST_CASE("LoopPoster: what several threads post is run once, each thread's in its order") {
  LoopFixture fixture;
  constexpr int kThreads = 4;
  constexpr int kPosts = 20'000;
  std::vector<int> next(kThreads, 0);
  int out_of_order = 0;
  int run = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPosts; ++i) {
        fixture.poster.post([&, t, i] {
          out_of_order += next[static_cast<std::size_t>(t)]++ != i;
          ++run;
        });
      }
    });
  }
  CHECK(fixture.until([&] { return run == kThreads * kPosts; }));
  for (std::thread& thread : threads) thread.join();
  CHECK(out_of_order == 0);
}

TEST_CASE("LoopPoster: a task that posts again leaves the loop its other work") {
  LoopFixture fixture;
  bool stop = false;
  long rounds = 0;
  std::function<void()> again = [&] {
    ++rounds;
    if (!stop) fixture.poster.post([&] { again(); });
  };
  again();
  bool timer_ran = false;
  Timer timer(fixture.loop, [&] { timer_ran = true; });
  timer.start(std::chrono::milliseconds(5));
  CHECK(fixture.until([&] { return timer_ran; }));
  CHECK(rounds > 1);
  stop = true;
}

TEST_CASE(
    "LoopWaker: a signal that names another descriptor wakes the loop and writes to no other") {
  LoopFixture fixture;
  bool woken = false;
  const LoopWaker waker(fixture.loop, [&] { woken = true; });
  const int foreign = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  REQUIRE(foreign >= 0);
  sigval value{};
  value.sival_int = foreign;
  REQUIRE(sigqueue(getpid(), SIGRTMIN + 14, value) == 0);
  CHECK(fixture.until([&] { return woken; }));
  std::uint64_t written = 0;
  CHECK(read(foreign, &written, sizeof written) == -1);
  close(foreign);
}

TEST_CASE("LoopPoster: what is queued when it goes away is dropped without being run") {
  bool run = false;
  {
    LoopFixture fixture;
    fixture.poster.post([&] { run = true; });
  }
  CHECK_FALSE(run);
}
