#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#include "embed/session_slot.h"
#include "embed/stop_state.h"

// The thread that stops what runs too long. It holds no GIL, ever, and touches Python only through
// CPython's queue of pending calls, which needs none.
namespace pyember::embed {

class Stopper;

// What the stopper knows of one session thread. Implemented by SessionThread; never destroyed.
class Stoppable {
 public:
  virtual ~Stoppable() = default;
  virtual StopState& stop_state() = 0;
  virtual SessionSlot& slot() = 0;
  // Queues a KeyboardInterrupt for the session's own thread, if it is still in region `region`.
  virtual void ask(std::uint64_t region) = 0;
  // Has every line of user code raise KeyboardInterrupt until the body is left.
  virtual void insist(std::uint64_t region) = 0;
  // The thread will never run Python again: tell the owner. Called once.
  virtual void report_lost() = 0;
};

class Stopper {
 public:
  Stopper();
  Stopper(const Stopper&) = delete;
  Stopper& operator=(const Stopper&) = delete;

  // From now on `target` is watched, for ever.
  void watch(Stoppable& target);

  // A deadline that was just set. Costs a load unless it is earlier than everything else.
  void note_deadline(StopState::Clock::time_point deadline) {
    const auto ticks = deadline.time_since_epoch().count();
    if (ticks >= next_wake_.load(std::memory_order_seq_cst)) return;
    next_wake_.store(ticks, std::memory_order_seq_cst);
    wake();
  }

  // Look now: a stop was requested or a thread has parked itself. Async-signal-safe.
  void wake() noexcept;

  // When it last finished a round or went to sleep; for the watchdog.
  std::chrono::milliseconds overdue() const;

 private:
  using Clock = StopState::Clock;
  struct Watch {
    Stoppable* target = nullptr;
    Clock::time_point ladder_start{};
    std::uint64_t region = 0;
    StopLevel level = StopLevel::None;
    Clock::time_point rung_start{};
    std::int64_t cpu_at_rung = 0;  // nanoseconds the session's thread had run by then
    bool reported = false;
    bool at_rest = false;  // lost, and every thread of it is parked or gone
    Clock::time_point lost_at{};
  };

  void run();
  Clock::time_point look(Watch& watch, Clock::time_point now);
  Clock::time_point climb(Watch& watch, Clock::time_point now);
  Clock::time_point condemn(Watch& watch, Clock::time_point now);
  void step(Watch& watch, StopLevel level, Clock::time_point now);
  bool is_starved(const Watch& watch, Clock::time_point now) const;
  Clock::time_point bury(Watch& watch, Clock::time_point now);
  void report(Watch& watch, Clock::time_point now);
  void sleep_until(Clock::time_point when, std::uint32_t seen);

  std::mutex mutex_;
  std::vector<Watch> watches_;
  std::atomic<std::uint32_t> wakes_{0};  // the futex
  std::atomic<std::int64_t> next_wake_{0};
  std::atomic<std::int64_t> round_began_{0};  // 0 while asleep
  std::thread thread_;
};

}  // namespace pyember::embed
