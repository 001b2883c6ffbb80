#include "host/http/listening_sockets.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>

#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;

namespace {

constexpr const char* kVariable = "PYEMBER_INHERITED_SOCKETS";

bool closes_on_exec(int descriptor) { return (fcntl(descriptor, F_GETFD) & FD_CLOEXEC) != 0; }

}  // namespace

TEST_CASE("ListeningSockets: both loopbacks listen at one free port") {
  const Result<ListeningSockets> made = ListeningSockets::open({"localhost", 0});
  REQUIRE(made);
  CHECK(made.value().port() > 0);
  const std::vector<std::string> addresses = made.value().addresses();
  REQUIRE_FALSE(addresses.empty());
  CHECK(addresses[0] == fmt::format("127.0.0.1:{}", made.value().port()));
  if (addresses.size() > 1) CHECK(addresses[1] == fmt::format("[::1]:{}", made.value().port()));
  for (const int descriptor : made.value().descriptors()) CHECK(closes_on_exec(descriptor));
}

TEST_CASE("ListeningSockets: a port that is taken is told of, with what to do") {
  const Result<ListeningSockets> first = ListeningSockets::open({"127.0.0.1", 0});
  REQUIRE(first);
  const int port = first.value().port();
  for (const std::string host : {"127.0.0.1", "localhost"}) {
    const Result<ListeningSockets> second = ListeningSockets::open({host, port});
    REQUIRE_FALSE(second);
    CHECK(second.error().code == ErrorCode::Unavailable);
    CHECK(second.error().message.find("--port") != std::string::npos);
  }
}

TEST_CASE("ListeningSockets: what is no address is told of") {
  for (const std::string host : {"", "example.org", "256.1.1.1", "[::1]", "127.1"}) {
    INFO(host);
    const Result<ListeningSockets> made = ListeningSockets::open({host, 0});
    REQUIRE_FALSE(made);
    CHECK(made.error().code == ErrorCode::InvalidArgument);
  }
  const Result<ListeningSockets> elsewhere = ListeningSockets::open({"192.0.2.1", 0});
  REQUIRE_FALSE(elsewhere);
  CHECK(elsewhere.error().message.find("--host") != std::string::npos);
}

TEST_CASE("ListeningSockets: the program that follows takes them over when they fit") {
  const Result<ListeningSockets> first = ListeningSockets::open({"localhost", 0});
  REQUIRE(first);
  first.value().hand_on();
  for (const int descriptor : first.value().descriptors()) CHECK_FALSE(closes_on_exec(descriptor));
  const std::string told = getenv(kVariable);
  first.value().take_back();
  CHECK(getenv(kVariable) == nullptr);
  for (const int descriptor : first.value().descriptors()) CHECK(closes_on_exec(descriptor));

  // What the next program finds: copies, for this one keeps its own.
  std::string copies;
  for (const int descriptor : first.value().descriptors()) {
    copies += fmt::format("{}{}", copies.empty() ? "" : ",", dup(descriptor));
  }
  setenv(kVariable, copies.c_str(), 1);
  SECTION("any port") {
    const auto next = ListeningSockets::inherited_or_open({"localhost", 0});
    REQUIRE(next);
    CHECK(next.value().port() == first.value().port());
    CHECK(next.value().addresses() == first.value().addresses());
    for (const int descriptor : next.value().descriptors()) CHECK(closes_on_exec(descriptor));
  }
  SECTION("that port") {
    CHECK(ListeningSockets::inherited_or_open({"localhost", first.value().port()}));
  }
  SECTION("another place") {
    const auto next = ListeningSockets::inherited_or_open({"0.0.0.0", 0});
    REQUIRE(next);
    CHECK(next.value().port() != first.value().port());
  }
  CHECK(getenv(kVariable) == nullptr);
}

TEST_CASE("ListeningSockets: what is no listening socket is let alone") {
  const int other = open("/dev/null", O_RDONLY);
  setenv(kVariable, fmt::format("{},1,99999,x", other).c_str(), 1);
  CHECK(ListeningSockets::inherited_or_open({"127.0.0.1", 0}));
  CHECK(fcntl(other, F_GETFD) != -1);
  close(other);
  CHECK(getenv(kVariable) == nullptr);
}

TEST_CASE("ListeningSockets: which addresses only this machine can reach") {
  for (const std::string host : {"localhost", "127.0.0.1", "127.8.9.10", "::1"}) {
    CHECK(is_loopback(host));
  }
  for (const std::string host : {"0.0.0.0", "::", "10.0.0.1", "example.org", ""}) {
    CHECK_FALSE(is_loopback(host));
  }
}
