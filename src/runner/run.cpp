#include "runner/run.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <limits>

#include "base/limits.h"
#include "runner/clock.h"
#include "runner/process_tree.h"
#include "base/small_file.h"

namespace pyember::runner {
namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

}  // namespace

// The child may not have come to its exec yet; until reap() knows better, its time begins now.
Supervision::Supervision(const Options& options, const JobFolder& folder, const Child& child,
                         const Enclosure& enclosure)
    : options_(options),
      child_(child),
      enclosure_(enclosure),
      samples_(folder, options.sample_interval_ns, monotonic_ns()) {
  ending_.started_ns = monotonic_ns();
  ending_.started_at_ns = wall_clock_ns();
  phase_ends_ns_ = options.timeout_ns > 0 ? ending_.started_ns + options.timeout_ns : kNever;
}

Ending Supervision::wait_for_end() {
  for (;;) {
    reap();
    if (is_over()) break;
    const std::int64_t now = monotonic_ns();
    if (phase_ == Phase::Killing && now >= phase_ends_ns_) break;  // unkillable: in the kernel
    advance(now);
    if (now >= samples_.due_ns()) samples_.take(now);
    const int signal = wait_for_signal(next_event_ns(now));
    if (signal == SIGTERM || signal == SIGINT) {
      reap();  // a child that has ended is not cancelled
      if (phase_ != Phase::Running || child_ended_) continue;
      ending_.cancelled = true;
      ask_to_end(options_.grace_ns, monotonic_ns());
    }
  }
  if (child_ended_ && WIFSIGNALED(ending_.status)) enclosure_.clear_away();
  return ending_;
}

// The time spent in the run queue is only to be had before the child is reaped.
void Supervision::look_at_end() {
  siginfo_t info{};
  if (waitid(P_PID, static_cast<id_t>(child_.pid()), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
      info.si_pid == 0) {
    return;
  }
  ending_.ended_ns = monotonic_ns();
  const std::string path = "/proc/" + std::to_string(child_.pid()) + "/schedstat";
  long long queued = 0;
  if (std::sscanf(read_small_file(path.c_str(), 128).c_str(), "%*u %lld", &queued) == 1) {
    ending_.queued_ns = queued;
  }
}

void Supervision::reap() {
  if (!child_ended_) look_at_end();
  for (;;) {
    int status = 0;
    rusage usage{};
    const pid_t pid = wait4(-1, &status, WNOHANG, &usage);
    if (pid > 0) {
      account(pid, status, usage);
    } else if (pid == 0 || errno != EINTR) {
      has_children_ = pid == 0;
      return;
    }
  }
}

void Supervision::account(pid_t pid, int status, const rusage& usage) {
  const auto peak = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
  ending_.largest_process_bytes = std::max(ending_.largest_process_bytes, peak);
  if (pid != child_.pid()) return;
  if (ending_.ended_ns == 0) ending_.ended_ns = monotonic_ns();
  ending_.status = status;
  ending_.usage = usage;
  child_ended_ = true;
  if (child_.started_ns() != 0) {
    ending_.started_ns = child_.started_ns();
    ending_.started_at_ns = child_.started_at_ns();
  }
}

void Supervision::advance(std::int64_t now_ns) {
  if (phase_ == Phase::Running && child_ended_) {
    ask_to_end(std::min(options_.grace_ns, nanoseconds(limits::kLeftoverGrace)), now_ns);
  } else if (phase_ == Phase::Running && now_ns >= phase_ends_ns_) {
    ending_.timed_out = true;
    ask_to_end(options_.grace_ns, now_ns);
  } else if (phase_ == Phase::Asking && now_ns >= phase_ends_ns_) {
    phase_ = Phase::Killing;
    enclosure_.clear_away();
    now_ns = monotonic_ns();
    phase_ends_ns_ = now_ns + nanoseconds(limits::kKillDeadline);
    next_kill_ns_ = now_ns;
    kill_pause_ns_ = nanoseconds(limits::kFirstKillPause);
  }
  if (phase_ == Phase::Killing && now_ns >= next_kill_ns_) {
    signal_descendants(SIGKILL);
    next_kill_ns_ = now_ns + kill_pause_ns_;
    kill_pause_ns_ = std::min(2 * kill_pause_ns_, nanoseconds(limits::kLongestKillPause));
  }
}

void Supervision::ask_to_end(std::int64_t grace_ns, std::int64_t now_ns) {
  phase_ = Phase::Asking;
  phase_ends_ns_ = now_ns + grace_ns;
  if (!options_.is_runtime) {
    signal_descendants(SIGTERM);
  } else if (!child_ended_) {
    // The outer one of podman's processes would end at once, with 0.
    kill(innermost_process(child_.pid()), SIGTERM);
  }
}

std::int64_t Supervision::next_event_ns(std::int64_t now_ns) const {
  std::int64_t next = std::min(phase_ends_ns_, samples_.due_ns());
  if (phase_ == Phase::Killing) next = std::min(next, next_kill_ns_);
  return std::max(next, now_ns);
}

int Supervision::wait_for_signal(std::int64_t until_ns) const {
  sigset_t awaited;
  sigemptyset(&awaited);
  sigaddset(&awaited, SIGCHLD);
  sigaddset(&awaited, SIGTERM);
  sigaddset(&awaited, SIGINT);
  if (until_ns == kNever) return sigwaitinfo(&awaited, nullptr);
  const std::int64_t wait = std::max<std::int64_t>(0, until_ns - monotonic_ns());
  timespec timeout{};
  timeout.tv_sec = static_cast<time_t>(wait / 1'000'000'000);
  timeout.tv_nsec = static_cast<long>(wait % 1'000'000'000);
  return sigtimedwait(&awaited, nullptr, &timeout);
}

}  // namespace pyember::runner
