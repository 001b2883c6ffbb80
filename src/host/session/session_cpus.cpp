#include "host/session/session_cpus.h"

#include <chrono>
#include <cstdint>

#include "base/limits.h"
#include "host/session/session_registry.h"

namespace pyember::host {

SessionCpus::SessionCpus(EventLoop& loop)
    : long_timer_(loop, [this] { look_for_long_cells(); }),
      memory_timer_(loop, [this] { look_at_memory(); }) {}

template <typename Visit>
void SessionCpus::each_session(Visit visit) const {
  for (const SessionRegistry* registry : registries_) {
    for (const auto& [name, session] : registry->sessions()) visit(*session);
  }
}

void SessionCpus::dispatching(HostSession& session) {
  // Left to fire in vain when the cell turns out short: cheaper than stopping it each time.
  if (!long_timer_.active()) long_timer_.start(limits::kLongCell);
  // The home CPU holds one session at a time: the next one starts elsewhere, at the price of a
  // hand-over between CPUs, instead of sharing it.
  if (home_is_taken(session)) {
    session.set_runs_long(true);
    spread_long_sessions();
    return;
  }
  home_.dispatch(session.home_thread(), session.thread_id(), session.busy_since_ns());
  if (home_.home() >= 0 && spread_home_ >= 0 && home_.home() != spread_home_) {
    spread_long_sessions();
  }
}

void SessionCpus::leave_home(HostSession& session) {
  if (session.thread_id() != 0) home_.spread(session.home_thread(), session.thread_id(), 1);
}

bool SessionCpus::home_is_taken(const HostSession& next) const {
  bool taken = false;
  each_session([&](const HostSession& other) {
    taken = taken || (&other != &next && !other.cells().empty() && !other.runs_long());
  });
  return taken;
}

void SessionCpus::look_for_long_cells() {
  bool look_again = false;
  bool any_long = false;
  const std::uint64_t now = now_ns();
  const auto long_ns = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(limits::kLongCell).count() / 2);
  each_session([&](HostSession& session) {
    if (session.cells().empty()) return;
    if (session.runs_long()) {
      any_long = true;
    } else if (now - session.busy_since_ns() < long_ns) {
      look_again = true;
    } else {
      session.set_runs_long(true);
      any_long = true;
    }
  });
  if (any_long) {
    spread_long_sessions();
    if (!memory_timer_.active()) {
      memory_timer_.start(limits::kMemoryLookPeriod, limits::kMemoryLookPeriod);
    }
  }
  if (look_again) long_timer_.start(limits::kLongCell);
}

void SessionCpus::look_at_memory() {
  bool any_long = false;
  each_session([&](const HostSession& session) { any_long = any_long || session.runs_long(); });
  if (!any_long) {
    memory_timer_.stop();
  } else if (long_cells_callback_) {
    long_cells_callback_();
  }
}

void SessionCpus::spread_long_sessions() {
  std::size_t running_long = 0;
  each_session([&](const HostSession& session) { running_long += session.runs_long() ? 1 : 0; });
  spread_home_ = running_long > 0 ? home_.home() : -1;
  each_session([&](HostSession& session) {
    if (session.runs_long()) {
      home_.spread(session.home_thread(), session.thread_id(), running_long);
    }
  });
}

}  // namespace pyember::host
