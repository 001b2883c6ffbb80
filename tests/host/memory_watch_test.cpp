#include "support/catch.h"

#include "base/limits.h"
#include "host/memory_watch.h"

using namespace pyember;
using namespace pyember::host;

namespace {

constexpr std::int64_t kGigabyte = 1ll << 30;
constexpr std::uint64_t kSecond = 1'000'000'000;

}  // namespace

TEST_CASE("MemoryWatch: nothing is stopped while memory is left") {
  MemoryWatch watch([] { return MemoryReading{4 * kGigabyte, 16 * kGigabyte, 10 * kGigabyte}; });
  CHECK(watch.look(kSecond).empty());
}

TEST_CASE("MemoryWatch: when little is left and much of it is ours, a session is to be stopped") {
  std::int64_t left = kGigabyte / 4;
  MemoryWatch watch([&] { return MemoryReading{left, 16 * kGigabyte, 12 * kGigabyte}; });
  CHECK(watch.look(kSecond).find("nearly out of memory") != std::string::npos);
  left = kGigabyte / 16;
  CHECK(watch.look(kSecond + kSecond / 10).empty());
  CHECK_FALSE(watch.look(kSecond * 60).empty());
}

TEST_CASE("MemoryWatch: memory that does not come back costs one session, not all") {
  std::int64_t left = kGigabyte / 4;
  MemoryWatch watch([&] { return MemoryReading{left, 16 * kGigabyte, 12 * kGigabyte}; });
  CHECK_FALSE(watch.look(kSecond).empty());
  CHECK(watch.look(kSecond * 10).empty());
  CHECK(watch.look(kSecond * 20).empty());
  left = 4 * kGigabyte;
  CHECK(watch.look(kSecond * 30).empty());
  left = kGigabyte / 4;
  CHECK_FALSE(watch.look(kSecond * 40).empty());
}

TEST_CASE("MemoryWatch: what others use costs no session of ours") {
  MemoryWatch watch([] { return MemoryReading{kGigabyte / 8, 16 * kGigabyte, kGigabyte}; });
  CHECK(watch.look(kSecond).empty());
}

TEST_CASE("MemoryWatch: where nothing is known nothing is done") {
  MemoryWatch watch([] { return MemoryReading{}; });
  CHECK(watch.look(kSecond).empty());
}

#ifdef __linux__
TEST_CASE("MemoryWatch: this machine's memory can be read") {
  const MemoryReading reading = read_memory();
  CHECK(reading.available_bytes > 0);
  CHECK(reading.total_bytes >= reading.available_bytes);
  CHECK(reading.own_bytes > 100'000);
}
#endif
