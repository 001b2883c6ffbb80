#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pyember::host {

double unix_now();  // seconds, with microseconds

// "2026-11-21T00:27:11.123456+01:00": local time with its offset.
std::string iso_time(double unix_seconds);

// Reads that, also with 'Z', without a fraction, and without an offset (then it is local time).
std::optional<double> parse_iso_time(std::string_view text);

}  // namespace pyember::host
