#include "support/catch.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
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

TEST_CASE("LoopPoster: in a settled turn, what was written before a post has been called back") {
  LoopFixture fixture;
  constexpr int kThreads = 3;
  constexpr int kRounds = 5'000;
  struct Writer {
    int ends[2] = {-1, -1};
    int read = 0;              // bytes, loop's thread
    std::atomic<int> seen{0};  // rounds whose task has run
  };
  std::vector<Writer> writers(kThreads);
  std::vector<std::unique_ptr<Poll>> polls;
  int settled = 0;
  int missed = 0;
  for (Writer& writer : writers) {
    REQUIRE(pipe2(writer.ends, O_CLOEXEC | O_NONBLOCK) == 0);
    polls.push_back(std::make_unique<Poll>(fixture.loop, writer.ends[0], [&writer](int) {
      char bytes[64];
      const ssize_t got = ::read(writer.ends[0], bytes, sizeof bytes);
      if (got > 0) writer.read += static_cast<int>(got);
    }));
    polls.back()->start(UV_READABLE);
  }
  std::vector<std::thread> threads;
  for (Writer& writer : writers) {
    threads.emplace_back([&] {
      for (int round = 1; round <= kRounds; ++round) {
        if (write(writer.ends[1], "x", 1) != 1) return;
        fixture.poster.post([&, round] {
          settled += fixture.poster.settled();
          missed += fixture.poster.settled() && writer.read < round;
          writer.seen = round;
        });
        // One thread goes at its own pace, the others one round at a time.
        while (&writer != &writers[0] && writer.seen < round) std::this_thread::yield();
        if (round - writer.seen > 1000) std::this_thread::yield();
      }
    });
  }
  CHECK(fixture.until([&] {
    return std::all_of(writers.begin(), writers.end(),
                       [](const Writer& writer) { return writer.seen == kRounds; });
  }));
  for (std::thread& thread : threads) thread.join();
  CHECK(settled > 0);
  CHECK(missed == 0);
  polls.clear();
  for (Writer& writer : writers) {
    close(writer.ends[0]);
    close(writer.ends[1]);
  }
}

TEST_CASE("LoopPoster: what is queued when it goes away is dropped without being run") {
  bool run = false;
  {
    LoopFixture fixture;
    fixture.poster.post([&] { run = true; });
  }
  CHECK_FALSE(run);
}
