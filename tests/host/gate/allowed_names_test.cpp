#include "host/http/gate/allowed_names.h"

#include "support/catch.h"

using namespace pyember::host;

TEST_CASE("AllowedNames: this machine's own names are allowed with every port", "[gate]") {
  const AllowedNames names({}, {});
  for (const char* host : {"localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1",
                           "127.0.0.1:65535", "[::1]", "[::1]:8080"}) {
    INFO(host);
    CHECK(names.allows_host(host));
  }
}

TEST_CASE("AllowedNames: every other name is refused, however it looks", "[gate]") {
  const AllowedNames names({}, {});
  for (const char* host : {"",
                           "evil.example",
                           "evil.example:8080",
                           "localhost.evil.example",
                           "localhost.",
                           "127.0.0.2",
                           "127.0.0.1.nip.io",
                           "0.0.0.0",
                           "::1",
                           "[::1",
                           "[::1]evil",
                           "[::2]:80",
                           "localhost:",
                           "localhost:80a",
                           "localhost:123456",
                           "localhost:80:90",
                           "localhost, evil.example",
                           "user@localhost",
                           "localhost/x",
                           " localhost",
                           "localhost\t",
                           "2130706433",
                           "127.1",
                           "[]",
                           "[localhost]"}) {
    INFO(host);
    CHECK_FALSE(names.allows_host(host));
  }
  CHECK_FALSE(names.allows_host(std::string(100'000, 'a')));
  CHECK_FALSE(names.allows_host(std::string("localhost\0", 10)));
}

TEST_CASE("AllowedNames: a name is allowed with the port it is named with, or with all", "[gate]") {
  const AllowedNames names({"Python.Example", "other.example:8443", "[2001:db8::1]"}, {});
  CHECK(names.allows_host("python.example"));
  CHECK(names.allows_host("PYTHON.example:1234"));
  CHECK(names.allows_host("other.example:8443"));
  CHECK(names.allows_host("[2001:DB8::1]:9"));
  CHECK_FALSE(names.allows_host("other.example"));
  CHECK_FALSE(names.allows_host("other.example:443"));
  CHECK_FALSE(names.allows_host("sub.python.example"));
}

TEST_CASE("AllowedNames: pages under allowed names may come, others may not", "[gate]") {
  const AllowedNames names({"python.example"}, {"https://app.example", "vscode-webview://abc"});
  for (const char* origin :
       {"http://localhost:6274", "http://127.0.0.1", "https://[::1]:1", "https://python.example",
        "https://app.example", "HTTPS://APP.example", "vscode-webview://abc"}) {
    INFO(origin);
    CHECK(names.allows_origin(origin));
  }
  for (const char* origin :
       {"", "null", "http://evil.example", "https://app.example:8443", "http://app.example",
        "https://app.example.evil.example", "vscode-webview://other", "file://localhost",
        "http://localhost/path", "http://localhost:1, http://evil.example", "localhost",
        "//localhost", "http://", "http://user@localhost", "chrome-extension://localhost"}) {
    INFO(origin);
    CHECK_FALSE(names.allows_origin(origin));
  }
}

TEST_CASE("AllowedNames: only named origins are named", "[gate]") {
  const AllowedNames names({"python.example"}, {"https://app.example"});
  CHECK(names.names_origin("https://app.example"));
  CHECK_FALSE(names.names_origin("https://python.example"));
  CHECK_FALSE(names.names_origin("http://localhost"));
}

TEST_CASE("is_origin: a scheme and a name, and nothing behind them", "[gate]") {
  CHECK(is_origin("https://app.example:8443"));
  CHECK_FALSE(is_origin("https://app.example/"));
  CHECK_FALSE(is_origin("app.example"));
  CHECK_FALSE(is_origin("null"));
  CHECK_FALSE(is_origin("*"));
}
