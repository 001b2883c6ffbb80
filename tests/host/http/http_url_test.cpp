#include "host/upstream/http_url.h"

#include "support/catch.h"

using namespace pyember::host;

TEST_CASE("HttpUrl: an address is taken apart, and shown without what may be secret", "[http]") {
  const auto url = parse_http_url("https://me:pass@Example.COM:8443/a/mcp?key=secret#part");
  REQUIRE(url);
  CHECK(url->origin() == "https://example.com:8443");
  CHECK(url->shown() == "https://example.com:8443/a/mcp");
  CHECK(url->query == "key=secret");
  CHECK(parse_http_url("http://example.com")->text() == "http://example.com/");
  CHECK(parse_http_url("https://example.com:443/x")->origin() == "https://example.com");
}

TEST_CASE("HttpUrl: what is no address of http or https is none", "[http]") {
  for (const char* text : {"", "example.com", "ftp://example.com/", "file:///etc/passwd", "http://",
                           "javascript:alert(1)", "http://a b/", "http://a/\r\nX: y", "://x"}) {
    CHECK_FALSE(parse_http_url(text));
  }
}

TEST_CASE("HttpUrl: references are resolved, and another origin is seen", "[http]") {
  const auto base = parse_http_url("http://localhost:8000/mcp?x=1");
  REQUIRE(base);
  CHECK(resolve_http_url(*base, "/messages?s=1")->text() == "http://localhost:8000/messages?s=1");
  CHECK(resolve_http_url(*base, "/mcp/")->same_origin(*base));
  CHECK_FALSE(resolve_http_url(*base, "//evil.example/mcp")->same_origin(*base));
  CHECK_FALSE(resolve_http_url(*base, "https://localhost:8000/mcp")->same_origin(*base));
  CHECK_FALSE(resolve_http_url(*base, "http://localhost:8001/mcp")->same_origin(*base));
  CHECK_FALSE(resolve_http_url(*base, "file:///etc/passwd"));
}

TEST_CASE("HttpUrl: loopback is this machine alone", "[http]") {
  for (const char* text :
       {"http://localhost/", "http://127.0.0.1:1/", "http://127.1.2.3/", "http://[::1]:80/"}) {
    CHECK(parse_http_url(text)->loopback());
  }
  for (const char* text : {"http://127.evil.example/", "http://10.0.0.1/", "http://localhost.evil/",
                           "http://[::2]/"}) {
    CHECK_FALSE(parse_http_url(text)->loopback());
  }
}
