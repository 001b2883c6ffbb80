#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>

// What a session's thread and the stopper agree on: whether Python runs there, until when it may,
// and who has the last word. Lock-free, because the session's side is on the path of every cell.
namespace pyember::embed {

enum class StopCause : std::uint32_t { None = 0, Interrupt, Timeout, Close };

// Service is our own runtime at work (compiling, formatting a traceback, closing); Body is user
// code, which may be asked to stop. Condemned is final.
enum class Phase : std::uint32_t { Idle = 0, Service, Body, Condemned };

class StopState {
 public:
  using Clock = std::chrono::steady_clock;

  // --- the session's own thread. Each returns false when the stopper has condemned the thread
  // meanwhile: its caller must not come back to Python and parks itself.
  [[nodiscard]] bool begin(Clock::time_point deadline) noexcept {
    cause_.store(StopCause::None, std::memory_order_relaxed);
    body_cause_ = StopCause::None;
    reporting_.store(false, std::memory_order_relaxed);
    deadline_.store(ticks(deadline), std::memory_order_relaxed);
    return move(Phase::Idle, Phase::Service);
  }
  [[nodiscard]] bool enter_body() noexcept { return move(Phase::Service, Phase::Body); }
  // After a stop the session gets a moment to say what happened; that is bounded too.
  [[nodiscard]] bool leave_body(Clock::duration grace) noexcept {
    if (body_cause_ == StopCause::None) body_cause_ = cause();
    if (body_cause_ != StopCause::None) {
      deadline_.store(ticks(Clock::now() + grace));
      reporting_.store(true, std::memory_order_release);
    }
    return move(Phase::Body, Phase::Service);
  }
  [[nodiscard]] bool end() noexcept { return move(Phase::Service, Phase::Idle); }
  // Why the body had to stop; None when the stop came after it.
  StopCause body_cause() const noexcept { return body_cause_; }

  // --- anybody
  // Brings the deadline forward to now. Only the first cause counts.
  void request(StopCause cause) noexcept {
    std::int64_t deadline = deadline_.load();
    StopCause none = StopCause::None;
    if (!cause_.compare_exchange_strong(none, cause)) return;
    // Unless the body was left meanwhile: then its grace stands there.
    deadline_.compare_exchange_strong(deadline, ticks(Clock::now()));
  }
  // Moves the deadline of what runs; nothing, when it is to stop already. Not while request() may
  // be called. Returns where it is then.
  Clock::time_point move_deadline(Clock::duration by) noexcept {
    std::int64_t deadline = deadline_.load();
    while (cause() == StopCause::None &&
           !deadline_.compare_exchange_weak(
               deadline, ticks(Clock::time_point(Clock::duration(deadline)) + by))) {
    }
    return this->deadline();
  }
  Phase phase() const noexcept { return phase_.load(std::memory_order_acquire); }
  StopCause cause() const noexcept { return cause_.load(std::memory_order_acquire); }
  // The body was stopped and our runtime says so. That may have to be stopped too: hooks of the
  // session's (audit, import) run in it.
  bool reporting() const noexcept { return reporting_.load(std::memory_order_acquire); }
  // Counts the phases; the same number means that nothing has moved.
  std::uint64_t region() const noexcept { return region_.load(std::memory_order_acquire); }
  Clock::time_point deadline() const noexcept {
    return Clock::time_point(Clock::duration(deadline_.load(std::memory_order_acquire)));
  }

  // --- the stopper
  void note_timeout() noexcept {
    StopCause none = StopCause::None;
    cause_.compare_exchange_strong(none, StopCause::Timeout);
  }
  // True: the thread runs Python no more, whatever it does. False: it was idle already.
  bool condemn() noexcept {
    for (Phase now = phase(); now != Phase::Idle;) {
      if (now == Phase::Condemned) return true;
      if (phase_.compare_exchange_weak(now, Phase::Condemned)) return true;
    }
    return false;
  }
  // For a thread that will never come back on its own (crashed): no agreement is needed.
  void bury() noexcept { phase_.store(Phase::Condemned); }

 private:
  static std::int64_t ticks(Clock::time_point time) { return time.time_since_epoch().count(); }

  bool move(Phase from, Phase to) noexcept {
    region_.fetch_add(1, std::memory_order_release);
    // Sequentially consistent: after this the deadline is compared with the stopper's next look,
    // while the stopper publishes that and then looks here.
    return phase_.compare_exchange_strong(from, to);
  }

  std::atomic<Phase> phase_{Phase::Idle};
  std::atomic<StopCause> cause_{StopCause::None};
  std::atomic<std::int64_t> deadline_{std::numeric_limits<std::int64_t>::max()};
  std::atomic<std::uint64_t> region_{0};
  std::atomic<bool> reporting_{false};
  StopCause body_cause_ = StopCause::None;  // the session's own thread only
};

}  // namespace pyember::embed
