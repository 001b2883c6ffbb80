#include "host/upstream/oauth_metadata.h"

#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;

namespace {

const HttpUrl& server() {
  static const HttpUrl url = *parse_http_url("https://api.example.com/tenant/mcp");
  return url;
}

mcp::Json issuer_json() {
  return {{"issuer", "https://as.example.com"},
          {"authorization_endpoint", "https://as.example.com/authorize"},
          {"token_endpoint", "https://as.example.com/token"},
          {"registration_endpoint", "https://as.example.com/register"},
          {"code_challenge_methods_supported", {"S256"}},
          {"scopes_supported", {"a", "b", "a"}}};
}

bool takes(mcp::Json json, const std::string& issuer = "https://as.example.com") {
  return read_issuer_metadata(json, issuer, server()).ok();
}

}  // namespace

TEST_CASE("OAuth: metadata is looked for where the server says, or else where it belongs",
          "[oauth]") {
  using Places = std::vector<std::string>;
  CHECK(resource_metadata_places(server(), "https://x/y") == Places{"https://x/y"});
  CHECK(resource_metadata_places(server(), "") ==
        Places{"https://api.example.com/.well-known/oauth-protected-resource/tenant/mcp",
               "https://api.example.com/.well-known/oauth-protected-resource"});
  CHECK(issuer_metadata_places(*parse_http_url("https://as.example.com/")) ==
        Places{"https://as.example.com/.well-known/oauth-authorization-server",
               "https://as.example.com/.well-known/openid-configuration"});
  CHECK(issuer_metadata_places(*parse_http_url("https://as.example.com/t1")) ==
        Places{"https://as.example.com/.well-known/oauth-authorization-server/t1",
               "https://as.example.com/.well-known/openid-configuration/t1",
               "https://as.example.com/t1/.well-known/openid-configuration"});
}

TEST_CASE("OAuth: metadata of another server is refused", "[oauth]") {
  const auto read = [](const char* resource) {
    return read_resource_metadata({{"resource", resource},
                                   {"authorization_servers", {"https://as.example.com"}},
                                   {"scopes_supported", {"r", "w"}}},
                                  server());
  };
  REQUIRE(read("https://api.example.com/tenant/mcp").ok());
  CHECK(read("https://api.example.com/tenant/mcp").value().scopes == "r w");
  CHECK(read("https://api.example.com/tenant/").ok());
  CHECK(read("https://api.example.com").ok());
  for (const char* other : {"https://api.example.com/ten", "https://evil.example.com/tenant/mcp",
                            "http://api.example.com/tenant/mcp", "", "nonsense",
                            "https://api.example.com/tenant/mcp/more"}) {
    CHECK_FALSE(read(other).ok());
  }
}

TEST_CASE("OAuth: nobody is asked who could be overheard, or is none of the server's business",
          "[oauth]") {
  const auto servers_of = [](mcp::Json servers) {
    const auto metadata = read_resource_metadata(
        {{"resource", "https://api.example.com"}, {"authorization_servers", servers}}, server());
    return metadata.ok() ? metadata.value().authorization_servers.size() : 0;
  };
  CHECK(servers_of({"https://as.example.com", "http://as.example.com"}) == 1);
  CHECK(servers_of({"http://127.0.0.1:9/", "http://169.254.169.254/"}) == 0);
  CHECK(servers_of({7}) == 0);
  CHECK(servers_of("https://as.example.com") == 0);
  const HttpUrl here = *parse_http_url("http://localhost:1/mcp");
  CHECK(may_be_asked(*parse_http_url("http://127.0.0.1:2/"), here));
  CHECK_FALSE(may_be_asked(*parse_http_url("http://10.0.0.1/"), here));
}

TEST_CASE("OAuth: an authorization server must be the one it was taken for, and know PKCE",
          "[oauth]") {
  REQUIRE(takes(issuer_json()));
  CHECK(takes(issuer_json(), "https://as.example.com/"));
  CHECK(read_issuer_metadata(issuer_json(), "https://as.example.com", server()).value().scopes ==
        "a b");
  CHECK_FALSE(takes(issuer_json(), "https://as.example.com/other"));
  const auto without = [](const char* name, mcp::Json value) {
    mcp::Json json = issuer_json();
    json[name] = std::move(value);
    return json;
  };
  CHECK_FALSE(takes(without("issuer", "https://evil.example.com")));
  CHECK_FALSE(takes(without("code_challenge_methods_supported", nullptr)));
  CHECK_FALSE(takes(without("code_challenge_methods_supported", {"plain"})));
  CHECK_FALSE(takes(without("token_endpoint", "http://as.example.com/token")));
  CHECK_FALSE(takes(without("authorization_endpoint", "javascript:alert(1)")));
  const auto odd = read_issuer_metadata(without("registration_endpoint", "http://10.0.0.1/"),
                                        "https://as.example.com", server());
  REQUIRE(odd.ok());
  CHECK(odd.value().registration_endpoint.empty());
}

TEST_CASE("OAuth: an old server's issuer is at its own origin, under whatever path", "[oauth]") {
  mcp::Json json = issuer_json();
  CHECK_FALSE(takes(json, ""));
  for (const char* own : {"https://api.example.com", "https://api.example.com/oauth"}) {
    json["issuer"] = own;
    const auto read = read_issuer_metadata(json, "", server());
    REQUIRE(read.ok());
    CHECK(read.value().issuer == own);
  }
  json["issuer"] = "https://api.example.com.evil.com";
  CHECK_FALSE(takes(json, ""));
}
