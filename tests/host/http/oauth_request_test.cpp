#include "host/upstream/oauth_request.h"

#include <set>

#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;

namespace {

Fetched answer(int status, mcp::Json json) {
  Fetched fetched;
  fetched.head.status = status;
  fetched.json = std::move(json);
  return fetched;
}

}  // namespace

TEST_CASE("OAuth: the challenge of a verifier is the standard's", "[oauth]") {
  // RFC 7636, appendix B.
  CHECK(code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") ==
        "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

TEST_CASE("OAuth: random texts are long, different and fit into an address", "[oauth]") {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const std::string text = random_text();
    CHECK(text.size() == 43);
    CHECK(form_text({{"a", text}}) == "a=" + text);
    seen.insert(text);
  }
  CHECK(seen.size() == 100);
}

TEST_CASE("OAuth: forms are encoded, and queries decoded", "[oauth]") {
  CHECK(form_text({{"a b", "c&d=e"}, {"x", "\xc3\xa9"}}) == "a%20b=c%26d%3De&x=%C3%A9");
  CHECK(form_value("code=a%2Fb&state=x+y&state=z&empty", "state") == "x y");
  CHECK(form_value("code=a%2Fb&state=x", "code") == "a/b");
  CHECK(form_value("a=1&b", "b").empty());
  CHECK(form_value("a=%zz%4", "a") == "%zz%4");
  CHECK(form_value("", "a").empty());
}

TEST_CASE("OAuth: a client shows who it is in the way it was registered", "[oauth]") {
  OAuthTokens client;
  client.client_id = "id:1";
  client.client_secret = "s/1";
  client.resource = "https://h/mcp";
  client.client_auth = "none";
  HttpRequest request = token_request(client, {{"grant_type", "x"}});
  CHECK(request.body == "grant_type=x&client_id=id%3A1&resource=https%3A%2F%2Fh%2Fmcp");
  client.client_auth = "client_secret_post";
  CHECK(form_value(token_request(client, {}).body, "client_secret") == "s/1");
  client.client_auth = "client_secret_basic";
  request = token_request(client, {});
  CHECK(form_value(request.body, "client_secret").empty());
  CHECK(request.headers.back().second == "Basic aWQlM0ExOnMlMkYx");
}

TEST_CASE("OAuth: a grant fills in what it names, and keeps the rest", "[oauth]") {
  OAuthTokens tokens;
  tokens.refresh_token = "old";
  tokens.scope = "a";
  REQUIRE(take_grant(
      tokens, answer(200, {{"access_token", "t"}, {"token_type", "bearer"}, {"expires_in", 60}}),
      1000));
  CHECK(tokens.access_token == "t");
  CHECK(tokens.refresh_token == "old");
  CHECK(tokens.scope == "a");
  CHECK(tokens.expires_at == 1060);
  REQUIRE(take_grant(tokens, answer(200, {{"access_token", "u"}, {"refresh_token", "new"}}), 1000));
  CHECK(tokens.refresh_token == "new");
  CHECK(tokens.expires_at == 0);
}

TEST_CASE("OAuth: what is no grant is refused", "[oauth]") {
  OAuthTokens tokens;
  const auto refused = [&](int status, mcp::Json json) {
    const Result<void> taken = take_grant(tokens, answer(status, std::move(json)), 0);
    REQUIRE_FALSE(taken);
    CHECK(tokens.access_token.empty());
    return taken.error();
  };
  const Error expired =
      refused(400, {{"error", "invalid_grant"}, {"error_description", "too\nlate"}});
  CHECK(expired.code == ErrorCode::InvalidArgument);
  CHECK(expired.message.find("invalid_grant: too late") != std::string::npos);
  CHECK(refused(500, nullptr).code == ErrorCode::Unavailable);
  (void)refused(200, {{"access_token", ""}});
  (void)refused(200, {{"access_token", 7}});
  (void)refused(200, {{"access_token", "a\r\nX: y"}});
  (void)refused(200, {{"access_token", "a"}, {"token_type", "mac"}});
  (void)refused(200, mcp::Json::array());
}
