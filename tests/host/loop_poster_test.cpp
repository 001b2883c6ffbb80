#include "support/catch.h"

#include <atomic>
#include <thread>
#include <vector>

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

TEST_CASE("LoopPoster: what is queued when it goes away is dropped without being run") {
  bool run = false;
  {
    LoopFixture fixture;
    fixture.poster.post([&] { run = true; });
  }
  CHECK_FALSE(run);
}
