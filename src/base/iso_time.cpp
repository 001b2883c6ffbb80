#include "base/iso_time.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <time.h>

#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>

namespace pyember {

namespace {

// Takes exactly `digits` digits.
bool take_number(std::string_view& text, std::size_t digits, int& number) {
  if (text.size() < digits) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, number);
  if (error != std::errc() || end != text.data() + digits || text[0] == '-') return false;
  text.remove_prefix(digits);
  return true;
}

bool take(std::string_view& text, char wanted) {
  if (text.empty() || text[0] != wanted) return false;
  text.remove_prefix(1);
  return true;
}

double take_fraction(std::string_view& text) {
  double fraction = 0;
  double unit = 0.1;
  while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
    fraction += unit * (text[0] - '0');
    unit /= 10;
    text.remove_prefix(1);
  }
  return fraction;
}

// Seconds east of UTC, from "+HH:MM", "+HHMM" or "Z".
std::optional<int> take_offset(std::string_view text) {
  if (text == "Z" || text == "z") return 0;
  const bool west = text[0] == '-';
  if (!west && text[0] != '+') return std::nullopt;
  text.remove_prefix(1);
  int hours = 0;
  int minutes = 0;
  if (!take_number(text, 2, hours)) return std::nullopt;
  take(text, ':');
  if (!text.empty() && (!take_number(text, 2, minutes) || !text.empty())) return std::nullopt;
  const int seconds = hours * 3600 + minutes * 60;
  return west ? -seconds : seconds;
}

}  // namespace

double unix_now() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  const std::int64_t microseconds = now.tv_nsec / 1000;  // what iso_time() can tell
  return static_cast<double>(now.tv_sec) + static_cast<double>(microseconds) / 1e6;
}

std::int64_t unix_now_ms() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

std::int64_t unix_now_seconds() { return time(nullptr); }

std::string iso_time(double unix_seconds) {
  const auto total = static_cast<std::int64_t>(std::llround(unix_seconds * 1e6));
  const auto whole = static_cast<time_t>(total / 1'000'000);
  const int micros = static_cast<int>(total % 1'000'000);
  tm local{};
  localtime_r(&whole, &local);
  const long offset = local.tm_gmtoff;
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}{}{:02}:{:02}", local.tm_year + 1900,
                     local.tm_mon + 1, local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec,
                     micros, offset < 0 ? '-' : '+', std::abs(offset) / 3600,
                     std::abs(offset) / 60 % 60);
}

std::string utc_time(std::int64_t unix_ms) {
  const std::chrono::sys_seconds seconds{std::chrono::seconds(unix_ms / 1000)};
  return fmt::format("{:%FT%T}.{:03}Z", seconds, unix_ms % 1000);
}

std::optional<double> parse_iso_time(std::string_view text) {
  tm parts{};
  if (!take_number(text, 4, parts.tm_year) || !take(text, '-')) return std::nullopt;
  if (!take_number(text, 2, parts.tm_mon) || !take(text, '-')) return std::nullopt;
  if (!take_number(text, 2, parts.tm_mday)) return std::nullopt;
  if (!take(text, 'T') && !take(text, ' ')) return std::nullopt;
  if (!take_number(text, 2, parts.tm_hour) || !take(text, ':')) return std::nullopt;
  if (!take_number(text, 2, parts.tm_min)) return std::nullopt;
  if (take(text, ':') && !take_number(text, 2, parts.tm_sec)) return std::nullopt;
  const double fraction = take(text, '.') ? take_fraction(text) : 0;
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  parts.tm_isdst = -1;
  if (text.empty()) return static_cast<double>(mktime(&parts)) + fraction;
  const std::optional<int> offset = take_offset(text);
  if (!offset) return std::nullopt;
  return static_cast<double>(timegm(&parts) - *offset) + fraction;
}

}  // namespace pyember
