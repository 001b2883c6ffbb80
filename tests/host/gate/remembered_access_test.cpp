#include "host/http/gate/remembered_access.h"

#include "base/limits.h"
#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;

TEST_CASE("RememberedAccess: what was good is good for a short while", "[gate]") {
  RememberedAccess remembered;
  constexpr std::int64_t kNow = 1'000'000;
  remembered.remember("token", {"alice", {"code"}, kNow + 3600}, kNow);
  const AccessClaims* found = remembered.find("token", kNow + 1);
  REQUIRE(found != nullptr);
  CHECK(found->subject == "alice");
  CHECK(remembered.find("token ", kNow) == nullptr);
  CHECK(remembered.find("token", kNow + limits::kRememberedAccessFor.count()) == nullptr);
}

TEST_CASE("RememberedAccess: nothing is good for longer than the token", "[gate]") {
  RememberedAccess remembered;
  constexpr std::int64_t kNow = 1'000'000;
  remembered.remember("token", {"alice", {}, kNow + 5}, kNow);
  CHECK(remembered.find("token", kNow + 5 + limits::kClockLeeway.count()) == nullptr);
}

TEST_CASE("RememberedAccess: no more is remembered than the bound", "[gate]") {
  RememberedAccess remembered;
  for (std::size_t i = 0; i < limits::kRememberedAccess * 2 + 10; ++i) {
    remembered.remember(std::to_string(i), {"a", {}, 2'000'000}, 1'000'000);
    REQUIRE(remembered.size() <= limits::kRememberedAccess);
  }
}
