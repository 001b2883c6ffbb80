#include "base/iso_time.h"

#include <time.h>

#include <cmath>

#include "support/catch.h"

using namespace pyember;

TEST_CASE("Times: written with offset and microseconds, and read in every form") {
  const double now = 1763684831.123456;
  const std::string text = iso_time(now);
  CHECK(text.size() == 32);
  CHECK(text.substr(19, 7) == ".123456");
  CHECK(std::abs(*parse_iso_time(text) - now) < 1e-6);
  CHECK(*parse_iso_time("1970-01-01T00:00:01Z") == 1);
  CHECK(*parse_iso_time("1970-01-01 02:00:01.5+02:00") == 1.5);
  CHECK(*parse_iso_time("1969-12-31T22:00:01-0200") == 1);
  tm local{};
  local.tm_year = 125;
  local.tm_mday = 3;
  local.tm_isdst = -1;
  CHECK(*parse_iso_time("2025-01-03T00:00:00") == static_cast<double>(mktime(&local)));
  for (const char* bad :
       {"", "yesterday", "2025-01-03", "2025-01-03T00:00:00+x", "2025-1-3T0:0:0"}) {
    INFO(bad);
    CHECK_FALSE(parse_iso_time(bad));
  }
}

TEST_CASE("Times: those of the protocol are UTC, with milliseconds") {
  CHECK(utc_time(1'000'007) == "1970-01-01T00:16:40.007Z");
  CHECK(utc_time(1'763'684'831'123) == "2025-11-21T00:27:11.123Z");
  CHECK(std::abs(*parse_iso_time(utc_time(1'763'684'831'123)) - 1763684831.123) < 1e-6);
}

TEST_CASE("Times: now is the same in seconds, milliseconds and microseconds") {
  const double before = unix_now();
  const auto seconds = static_cast<double>(unix_now_seconds());
  const auto milliseconds = static_cast<double>(unix_now_ms());
  CHECK(std::abs(seconds - before) < 600);
  CHECK(std::abs(milliseconds / 1000 - before) < 600);
}
