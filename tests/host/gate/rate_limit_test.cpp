#include "host/http/gate/rate_limit.h"

#include "support/catch.h"

using namespace pyember::host;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kStart = 5 * kSecond;

}  // namespace

TEST_CASE("RateLimit: so many at once, then as many as come back", "[gate]") {
  RateLimit limit({2, 3, 100});
  for (int i = 0; i < 3; ++i) CHECK_FALSE(limit.take("a", kStart));
  CHECK(limit.take("a", kStart) == 500ms);
  CHECK(limit.take("a", kStart + kSecond / 4) == 250ms);
  CHECK_FALSE(limit.take("a", kStart + kSecond / 2));
  CHECK(limit.take("a", kStart + kSecond / 2));
  for (int i = 0; i < 3; ++i) CHECK_FALSE(limit.take("a", kStart + 100 * kSecond));
  CHECK(limit.take("a", kStart + 100 * kSecond));
}

TEST_CASE("RateLimit: each name has its own, and looking takes nothing", "[gate]") {
  RateLimit limit({1, 1, 100});
  CHECK_FALSE(limit.look("a", kStart));
  CHECK_FALSE(limit.take("a", kStart));
  CHECK(limit.look("a", kStart));
  CHECK_FALSE(limit.take("b", kStart));
  CHECK_FALSE(limit.look("a", kStart + kSecond));
  CHECK_FALSE(limit.take("a", kStart + kSecond));
}

TEST_CASE("RateLimit: no more names are known than the bound, the oldest go", "[gate]") {
  RateLimit limit({0.001, 1, 3});
  for (int i = 0; i < 1000; ++i) {
    CHECK_FALSE(limit.take("name " + std::to_string(i), kStart));
    CHECK(limit.size() <= 3);
  }
  CHECK(limit.look("name 999", kStart));
  CHECK_FALSE(limit.look("name 1", kStart));
}

TEST_CASE("RateLimit: a name that is heard of again is not the oldest", "[gate]") {
  RateLimit limit({0.001, 1, 2});
  CHECK_FALSE(limit.take("a", kStart));
  CHECK_FALSE(limit.take("b", kStart));
  CHECK(limit.take("a", kStart));
  CHECK_FALSE(limit.take("c", kStart));
  CHECK(limit.look("a", kStart));
  CHECK_FALSE(limit.look("b", kStart));
}

TEST_CASE("RateLimit: a clock that goes back gives nothing", "[gate]") {
  RateLimit limit({1, 1, 10});
  CHECK_FALSE(limit.take("a", kStart));
  CHECK(limit.take("a", kStart - kSecond));
}

TEST_CASE("network_of: an address of IPv6 counts as its network", "[gate]") {
  CHECK(network_of("127.0.0.1") == "127.0.0.1");
  CHECK(network_of("2001:db8:1:2:3:4:5:6") == network_of("2001:db8:1:2::9"));
  CHECK(network_of("2001:db8:1:2::9") != network_of("2001:db8:1:3::9"));
  CHECK(network_of("::ffff:10.0.0.1") != network_of("::ffff:10.0.0.2"));
  CHECK(network_of("no address") == "no address");
}
