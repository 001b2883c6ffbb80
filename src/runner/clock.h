#pragma once

#include <time.h>

#include <chrono>
#include <cstdint>

namespace pyember::runner {

constexpr std::int64_t nanoseconds(std::chrono::nanoseconds duration) { return duration.count(); }

inline std::int64_t clock_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

// For intervals; never goes back.
inline std::int64_t monotonic_ns() { return clock_ns(CLOCK_MONOTONIC); }
// For people: since 1970.
inline std::int64_t wall_clock_ns() { return clock_ns(CLOCK_REALTIME); }

inline double to_seconds(std::int64_t ns) { return static_cast<double>(ns) * 1e-9; }

}  // namespace pyember::runner
