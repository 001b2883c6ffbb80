#include "host/boundaries/allowed_hosts.h"

#include <algorithm>

#include "base/limits.h"
#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;

namespace {

AllowedHost allowed(const std::string& text) {
  const auto parsed = parse_allowed_hosts({text});
  REQUIRE(parsed.ok());
  return parsed.value().at(0);
}

std::string refused(const std::string& text) {
  const auto parsed = parse_allowed_hosts({"example.org", text});
  REQUIRE_FALSE(parsed.ok());
  CHECK(parsed.error().code == ErrorCode::InvalidArgument);
  return parsed.error().message;
}

bool has(const std::vector<std::string>& all, const std::string& entry) {
  return std::find(all.begin(), all.end(), entry) != all.end();
}

}  // namespace

TEST_CASE("Allowed hosts: a host without a port has those of HTTP and HTTPS") {
  CHECK(allowed("example.org") == AllowedHost{"example.org", {80, 443}});
  CHECK(allowed("*.Example.ORG.") == AllowedHost{"*.example.org", {80, 443}});
  CHECK(allowed("10.0.0.5") == AllowedHost{"10.0.0.5", {80, 443}});
  CHECK(allowed("::1") == AllowedHost{"::1", {80, 443}});
}

TEST_CASE("Allowed hosts: a host with a port has that alone") {
  CHECK(allowed("example.org:8443") == AllowedHost{"example.org", {8443}});
  CHECK(allowed("*.example.org:1") == AllowedHost{"*.example.org", {1}});
  CHECK(allowed("127.0.0.1:65535") == AllowedHost{"127.0.0.1", {65535}});
  CHECK(allowed("[fd00::1]:8080") == AllowedHost{"fd00::1", {8080}});
  CHECK(allowed("db_1.internal:5432") == AllowedHost{"db_1.internal", {5432}});
}

TEST_CASE("Allowed hosts: what is no host is refused in three parts") {
  for (const char* text : {"",
                           ".",
                           "a b",
                           "-a.org",
                           "a..org",
                           "*",
                           "*.org",
                           "a.*.org",
                           "*a.org",
                           "https://example.org",
                           "example.org/path",
                           "user@example.org",
                           "10.0.0.0/8",
                           "*.10.0.0.5",
                           "127.1",
                           "0x7f000001",
                           "a.0x1",
                           "1.2.3.4.5",
                           "example.org:",
                           "example.org:0",
                           "example.org:65536",
                           "example.org:x",
                           "example.org:-1",
                           "[::1",
                           "[::1]x",
                           "[::1]:",
                           "é.org"}) {
    INFO(text);
    const std::string message = refused(text);
    CHECK(message.starts_with("'" + std::string(text) + "' can't be allowed as a sandbox's host"));
    CHECK(message.find(", because ") != std::string::npos);
    CHECK(message.find(". Name hosts like example.org") != std::string::npos);
  }
}

TEST_CASE("Allowed hosts: what is wrong is said") {
  CHECK(refused("*.org").find("everything below a top-level domain") != std::string::npos);
  CHECK(refused("https://a.org").find("it is more than a host") != std::string::npos);
  CHECK(refused("a.org:70000").find("'70000' is no port") != std::string::npos);
  CHECK(refused("é.org").find("xn--") != std::string::npos);
  CHECK(refused("127.1").find("no name ends with a number") != std::string::npos);
}

TEST_CASE("Allowed hosts: there is a bound on their number") {
  const std::vector<std::string> most(limits::kMaximumAllowedHosts, "example.org");
  CHECK(parse_allowed_hosts(most).ok());
  auto beyond = most;
  beyond.emplace_back("example.org");
  const auto parsed = parse_allowed_hosts(beyond);
  REQUIRE_FALSE(parsed.ok());
  CHECK(parsed.error().code == ErrorCode::LimitReached);
}

TEST_CASE("Allowed hosts: programs find the proxy by every name they know") {
  CHECK(proxy_environment({}).empty());
  const auto found = proxy_environment({{"example.org", {443}}});
  for (const char* name :
       {"HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"}) {
    CHECK(has(found, std::string(name) + "=http://127.0.0.1:3128"));
  }
  CHECK(has(found, "PYEMBER_PROXY=3128:/run/pyember/proxy.sock"));
  CHECK(has(found, "NO_PROXY=localhost,127.0.0.1,::1"));
}

TEST_CASE("Allowed hosts: 127.0.0.1 is the sandbox's own unless the list names it") {
  const auto found = proxy_environment({{"127.0.0.1", {8000}}});
  CHECK(has(found, "NO_PROXY=localhost,::1"));
  CHECK(has(found, "no_proxy=localhost,::1"));
}
