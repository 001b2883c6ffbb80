#include "embed/stopper.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "base/limits.h"
#include "base/thread_name.h"
#include "embed/locks.h"

// The ladder. At a cell's deadline (or when somebody asks, which brings the deadline forward):
//
//   ask      a KeyboardInterrupt at the next bytecode; system calls are interrupted again and
//            again, because a signal that comes just before the call blocks is lost otherwise
//   insist   a trace function raises at every line, so swallowing the exception does not help
//   park     the thread is condemned: it runs no Python any more, and is stopped where it stands
//   abandon  it sits in a system call that nothing wakes: the caller is answered all the same, and
//            the thread parks when it comes back
//
// The session's thread and the stopper settle with one compare-exchange who was first: a body that
// is left in time can't be condemned, and a condemned thread can't report an outcome.

namespace pyember::embed {

namespace {

constexpr std::chrono::milliseconds kWakeEvery{2};
constexpr std::chrono::milliseconds kParkEvery{1};
constexpr std::chrono::milliseconds kBuryEvery{100};       // a lost thread that is still in a call
constexpr std::chrono::milliseconds kBuryOldEvery{5'000};  // … and has been for long
constexpr std::chrono::milliseconds kReplyGrace{30};  // between condemning and calling it abandoned

// A thread that got less CPU than this since its last rung, and wants to run, is starved.
constexpr std::chrono::milliseconds kFairShare{40};
constexpr std::chrono::milliseconds kPatience{3'000};  // from the first rung, however starved

// Nanoseconds of CPU a thread of this process has had; 0 when it is gone. The clock's number is
// made of the thread's id as the kernel does it (include/linux/posix-timers_types.h, per-thread,
// SCHED).
std::int64_t cpu_time_of(pid_t tid) noexcept {
  timespec time{};
  const auto clock = static_cast<clockid_t>((~static_cast<unsigned>(tid) << 3) | 6U);
  if (clock_gettime(clock, &time) != 0) return 0;
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

// Running, or waiting for a CPU (proc(5), field 3 of stat; the name before it may hold anything).
bool is_runnable(pid_t tid) {
  char path[48];
  std::snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  char text[256];
  const ssize_t size = read(file, text, sizeof text - 1);
  close(file);
  if (size <= 0) return false;
  text[size] = '\0';
  const char* name_end = std::strrchr(text, ')');
  return name_end && name_end[1] == ' ' && name_end[2] == 'R';
}

void signal_threads(SessionSlot& slot, int signal_number) noexcept {
  for (SlotThread& thread : slot.threads) {
    if (!thread.alive || thread.parked) continue;
    if (const pid_t tid = thread.tid) syscall(SYS_tgkill, getpid(), tid, signal_number);
  }
}

bool all_parked(const SessionSlot& slot) noexcept {
  return std::all_of(std::begin(slot.threads), std::end(slot.threads),
                     [](const SlotThread& thread) { return !thread.alive || thread.parked; });
}

}  // namespace

Stopper::Stopper() : thread_([this] { run(); }) { thread_.detach(); }

void Stopper::watch(Stoppable& target) {
  {
    const std::lock_guard lock(mutex_);
    Watch watch;
    watch.target = &target;
    watches_.push_back(watch);
  }
  wake();
}

void Stopper::wake() noexcept {
  wakes_.fetch_add(1, std::memory_order_seq_cst);
  syscall(SYS_futex, &wakes_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

std::chrono::milliseconds Stopper::overdue() const {
  const auto since = [](std::int64_t ticks) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
        Clock::now() - Clock::time_point(Clock::duration(ticks)));
  };
  const std::int64_t began = round_began_.load();
  const auto round = began ? since(began) : std::chrono::milliseconds(0);
  return std::max({std::chrono::milliseconds(0), round, since(next_wake_.load())});
}

void Stopper::run() {
  is_server_thread = true;
  name_thread("pyember-stopper");
  for (;;) {
    const std::uint32_t seen = wakes_.load();
    // A deadline that lies ahead is kept even when its cell is over: the cells after it have later
    // ones and need not wake us. A past one is forgotten before looking, so that every deadline
    // noted from then on wakes us.
    auto next = Clock::time_point(Clock::duration(next_wake_.load()));
    if (next <= Clock::now()) {
      next = Clock::time_point::max();
      next_wake_.store(next.time_since_epoch().count());
    }
    round_began_ = Clock::now().time_since_epoch().count();
    {
      const std::lock_guard lock(mutex_);
      for (Watch& watch : watches_) next = std::min(next, look(watch, Clock::now()));
    }
    next_wake_.store(next.time_since_epoch().count());
    round_began_ = 0;
    sleep_until(next, seen);
  }
}

void Stopper::sleep_until(Clock::time_point when, std::uint32_t seen) {
  timespec deadline{};
  const auto since_epoch = when.time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_epoch);
  deadline.tv_sec = seconds.count();
  deadline.tv_nsec = std::chrono::nanoseconds(since_epoch - seconds).count();
  const bool for_ever = when == Clock::time_point::max();
  // FUTEX_WAIT_BITSET takes an absolute time of the monotonic clock (futex(2)).
  syscall(SYS_futex, &wakes_, FUTEX_WAIT_BITSET_PRIVATE, seen, for_ever ? nullptr : &deadline,
          nullptr, FUTEX_BITSET_MATCH_ANY);
}

Stopper::Clock::time_point Stopper::look(Watch& watch, Clock::time_point now) {
  if (watch.at_rest) return Clock::time_point::max();
  if (watch.reported) return bury(watch, now);
  StopState& state = watch.target->stop_state();
  const SessionSlot& slot = watch.target->slot();
  if (slot.park_reason.load() != ParkReason::None) {  // crashed, or it tried to end the process
    state.bury();
    report(watch, now);
    return bury(watch, now);
  }
  const Phase phase = state.phase();
  if (phase == Phase::Idle) {
    watch.level = StopLevel::None;
    return Clock::time_point::max();
  }
  const auto deadline = state.deadline();
  if (now < deadline) {
    watch.level = StopLevel::None;
    return deadline;
  }
  state.note_timeout();
  return climb(watch, now);
}

void Stopper::step(Watch& watch, StopLevel level, Clock::time_point now) {
  watch.level = level;
  watch.rung_start = now;
  watch.cpu_at_rung = cpu_time_of(watch.target->slot().threads[0].tid);
}

// A thread that wants to run but gets no CPU can't obey; on a busy machine that is no reason to
// take its session from it. Bounded, because the caller waits.
bool Stopper::is_starved(const Watch& watch, Clock::time_point now) const {
  if (now - watch.ladder_start >= kPatience) return false;
  const pid_t tid = watch.target->slot().threads[0].tid;
  const auto had = std::chrono::nanoseconds(cpu_time_of(tid) - watch.cpu_at_rung);
  return had < kFairShare && is_runnable(tid);
}

Stopper::Clock::time_point Stopper::climb(Watch& watch, Clock::time_point now) {
  StopState& state = watch.target->stop_state();
  SessionSlot& slot = watch.target->slot();
  const std::uint64_t region = state.region();
  if (watch.level == StopLevel::None || watch.region != region) {
    step(watch, StopLevel::None, now);
    watch.region = region;
    watch.ladder_start = now;
  }
  const bool in_body = state.phase() == Phase::Body;
  const auto on_rung = now - watch.rung_start;
  // The last rung before force; each has its time even when this thread itself came late.
  const bool last = !in_body || watch.level == StopLevel::Insisted;
  const auto patience = in_body ? limits::kParkAfter - limits::kInsistAfter : limits::kParkAfter;
  if (watch.level == StopLevel::Park) return condemn(watch, now);
  if (last && watch.level != StopLevel::None && on_rung >= patience && !is_starved(watch, now)) {
    step(watch, StopLevel::Park, now);
    return condemn(watch, now);
  }
  if (!in_body) {
    if (watch.level == StopLevel::None) {
      step(watch, StopLevel::Asked, now);
      // A report that has used up its grace: a KeyboardInterrupt makes it give up the description
      // of what happened, not the session.
      if (state.reporting()) watch.target->ask(region);
    }
    return now + kWakeEvery;
  }
  if (watch.level == StopLevel::None) {
    step(watch, StopLevel::Asked, now);
    slot.stop = StopLevel::Asked;
    watch.target->ask(region);
  } else if (watch.level == StopLevel::Asked && on_rung >= limits::kInsistAfter) {
    step(watch, StopLevel::Insisted, now);
    slot.stop = StopLevel::Insisted;
    watch.target->insist(region);
  }
  if (state.region() != region) {  // left meanwhile: what we set must not meet the next cell
    slot.stop = StopLevel::None;
    return now;
  }
  if (const pid_t tid = slot.threads[0].tid) syscall(SYS_tgkill, getpid(), tid, wake_signal());
  wake_waiters(slot);
  return now + kWakeEvery;
}

Stopper::Clock::time_point Stopper::condemn(Watch& watch, Clock::time_point now) {
  SessionSlot& slot = watch.target->slot();
  if (!watch.target->stop_state().condemn()) return Clock::time_point::max();
  slot.stop = StopLevel::Park;
  slot.condemned = true;
  signal_threads(slot, park_signal());
  wake_waiters(slot);
  const auto abandon_after = limits::kAbandonAfter - limits::kParkAfter + kReplyGrace;
  if (slot.threads[0].parked || now - watch.rung_start >= abandon_after) {
    report(watch, now);
    return bury(watch, now);
  }
  return now + kParkEvery;
}

void Stopper::report(Watch& watch, Clock::time_point now) {
  SessionSlot& slot = watch.target->slot();
  slot.stop = StopLevel::Park;
  slot.condemned = true;
  watch.reported = true;
  watch.lost_at = now;
  watch.target->report_lost();
}

Stopper::Clock::time_point Stopper::bury(Watch& watch, Clock::time_point now) {
  SessionSlot& slot = watch.target->slot();
  if (all_parked(slot)) {
    watch.at_rest = true;
    return Clock::time_point::max();
  }
  signal_threads(slot, park_signal());
  wake_waiters(slot);
  const auto age = now - watch.lost_at;
  if (age < std::chrono::seconds(1)) return now + kParkEvery;
  return now + (age < std::chrono::seconds(10) ? kBuryEvery : kBuryOldEvery);
}

}  // namespace pyember::embed
