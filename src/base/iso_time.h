#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// Times of the wall clock, counted since 1970 and as text (ISO 8601). Any thread.
namespace pyember {

double unix_now();  // seconds, with microseconds
std::int64_t unix_now_ms();
std::int64_t unix_now_seconds();

// "2026-11-21T00:27:11.123456+01:00": local time with its offset.
std::string iso_time(double unix_seconds);

// "2026-11-20T23:27:11.123Z", of milliseconds since 1970.
std::string utc_time(std::int64_t unix_ms);

// Reads all of these, also without a fraction, and without an offset (then it is local time).
std::optional<double> parse_iso_time(std::string_view text);

}  // namespace pyember
