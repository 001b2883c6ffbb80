#include "host/http/gate/jws.h"

#include <algorithm>

#include "base/base64.h"
#include "base/limits.h"
#include "signed_tokens.h"
#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;

namespace {

std::string base64url(std::string_view text) {
  std::string encoded = base64_encoded(text);
  std::erase(encoded, '=');
  std::replace(encoded.begin(), encoded.end(), '+', '-');
  std::replace(encoded.begin(), encoded.end(), '/', '_');
  return encoded;
}

std::string token(std::string_view header, std::string_view payload = "{}") {
  return base64url(header) + "." + base64url(payload) + ".AAAA";
}

constexpr std::int64_t kNow = 1'800'000'000;
const Expected kExpected{"https://login.example", "https://python.example/mcp"};

mcp::Json good() {
  return {{"iss", "https://login.example"},
          {"aud", "https://python.example/mcp"},
          {"sub", "alice"},
          {"exp", kNow + 60},
          {"scope", "code sessions"}};
}

bool says(const mcp::Json& claims, const char* word) {
  const auto read = read_claims(claims, kExpected, kNow);
  return !read && read.error().message.find(word) != std::string::npos;
}

}  // namespace

TEST_CASE("read_jws: what signed tokens say", "[gate]") {
  for (const SignedToken& each : kSignedTokens) {
    const auto jws = read_jws(each.token);
    REQUIRE(jws);
    CHECK(jws.value().algorithm == each.algorithm);
    CHECK(jws.value().key_id == "one");
    CHECK(jws.value().claims["sub"] == "alice");
    CHECK(read_claims(jws.value().claims, kExpected, kNow));
  }
}

TEST_CASE("read_jws: only algorithms with public keys", "[gate]") {
  CHECK(read_jws(token(R"({"alg":"ES256"})")));
  for (const char* header :
       {R"({"alg":"none"})", R"({"alg":"None"})", R"({"alg":"HS256"})", R"({"alg":"HS512"})",
        R"({"alg":"dir"})", R"({"alg":"rs256"})", R"({"alg":""})", R"({"alg":null})",
        R"({"alg":["RS256"]})", R"({})", R"({"alg":"EdDSA"})"}) {
    INFO(header);
    CHECK_FALSE(read_jws(token(header)));
  }
}

TEST_CASE("read_jws: extensions and tokens for something else are refused", "[gate]") {
  for (const char* header :
       {R"({"alg":"RS256","crit":["b64"],"b64":false})", R"({"alg":"RS256","crit":[]})",
        R"({"alg":"RS256","typ":"dpop+jwt"})", R"({"alg":"RS256","typ":"logout+jwt"})",
        R"({"alg":"RS256","typ":7})", R"([])", R"("RS256")", "{", ""}) {
    INFO(header);
    CHECK_FALSE(read_jws(token(header)));
  }
  for (const char* header : {R"({"alg":"RS256","typ":"JWT"})", R"({"alg":"RS256","typ":"at+jwt"})",
                             R"({"alg":"RS256","typ":"application/AT+JWT"})"}) {
    CHECK(read_jws(token(header)));
  }
}

TEST_CASE("read_jws: the compact form, strictly", "[gate]") {
  const std::string good_token = token(R"({"alg":"RS256"})");
  REQUIRE(looks_like_jws(good_token));
  const std::vector<std::string> all{std::string(),
                                     std::string("."),
                                     std::string(".."),
                                     std::string("a.b.c"),
                                     std::string("AAAA.AAAA"),
                                     good_token + ".AAAA",
                                     good_token + "=",
                                     good_token + "A===",
                                     good_token + " ",
                                     good_token + "\n",
                                     std::string("A===") + "." + good_token,
                                     std::string("AAAA.AAAA."),
                                     good_token + std::string(limits::kBearerBytes, 'A'),
                                     std::string("AA+A.AAAA.AAAA"),
                                     std::string("AA/A.AAAA.AAAA"),
                                     std::string("AAA\xc3.AAAA.AAAA"),
                                     std::string("AAAAA.AAAA.AAAA")};
  for (const std::string& bad : all) {
    INFO(bad.substr(0, 60));
    CHECK_FALSE(looks_like_jws(bad));
    CHECK_FALSE(read_jws(bad));
  }
  CHECK_FALSE(read_jws(token(R"({"alg":"RS256"})", "[]")));
  CHECK_FALSE(read_jws(token(R"({"alg":"RS256"})", "not json")));
}

TEST_CASE("read_claims: whom a token lets in", "[gate]") {
  const auto read = read_claims(good(), kExpected, kNow);
  REQUIRE(read);
  CHECK(read.value().subject == "alice");
  CHECK(read.value().scopes == std::vector<std::string>{"code", "sessions"});
  CHECK(read.value().expires_at == kNow + 60);
}

TEST_CASE("read_claims: another issuer's or another server's token is refused", "[gate]") {
  mcp::Json claims = good();
  claims["iss"] = "https://evil.example";
  CHECK(says(claims, "another authorization server"));
  claims["iss"] = mcp::Json::array({"https://login.example"});
  CHECK(says(claims, "another authorization server"));
  claims.erase("iss");
  CHECK(says(claims, "another authorization server"));
  for (const mcp::Json& audience :
       {mcp::Json("https://other.example/mcp"), mcp::Json("https://python.example"),
        mcp::Json("https://python.example/mcp/x"), mcp::Json("HTTPS://PYTHON.EXAMPLE/mcp"),
        mcp::Json(""), mcp::Json(7), mcp::Json(nullptr), mcp::Json::array(),
        mcp::Json::array({7, "https://other.example"})}) {
    claims = good();
    claims["aud"] = audience;
    CHECK(says(claims, "another server"));
  }
  claims = good();
  claims.erase("aud");
  CHECK(says(claims, "another server"));
  claims["aud"] = mcp::Json::array({"https://other.example", "https://python.example/mcp/"});
  CHECK(read_claims(claims, kExpected, kNow));
}

TEST_CASE("read_claims: a token is good from when until when it says, a leeway apart", "[gate]") {
  const std::int64_t leeway = limits::kClockLeeway.count();
  const auto with = [](const char* name, const mcp::Json& value) {
    mcp::Json claims = good();
    claims[name] = value;
    return claims;
  };
  CHECK(read_claims(with("exp", kNow - leeway + 1), kExpected, kNow));
  CHECK(says(with("exp", kNow - leeway), "expired"));
  CHECK(read_claims(with("nbf", kNow + leeway), kExpected, kNow));
  CHECK(says(with("nbf", kNow + leeway + 1), "not valid yet"));
  CHECK(read_claims(with("exp", static_cast<double>(kNow) + 60.5), kExpected, kNow));
  for (const mcp::Json& bad : {mcp::Json("1900000000"), mcp::Json(nullptr), mcp::Json(-1),
                               mcp::Json(0), mcp::Json(1e300), mcp::Json(true)}) {
    CHECK_FALSE(read_claims(with("exp", bad), kExpected, kNow));
    CHECK_FALSE(read_claims(with("nbf", bad), kExpected, kNow));
  }
  mcp::Json endless = good();
  endless.erase("exp");
  CHECK_FALSE(read_claims(endless, kExpected, kNow));
}

TEST_CASE("read_claims: a token says whose it is", "[gate]") {
  for (const mcp::Json& bad :
       {mcp::Json(""), mcp::Json(7), mcp::Json(nullptr), mcp::Json(std::string(1000, 'a'))}) {
    mcp::Json claims = good();
    claims["sub"] = bad;
    CHECK(says(claims, "whose"));
  }
}

TEST_CASE("read_claims: a token that is bound to a key is not for who bears it", "[gate]") {
  mcp::Json claims = good();
  claims["cnf"] = {{"jkt", "AAAA"}};
  CHECK(says(claims, "bound"));
}

TEST_CASE("read_claims: scopes, as several providers write them", "[gate]") {
  const auto scopes = [](const char* name, const mcp::Json& value) {
    mcp::Json claims = good();
    claims.erase("scope");
    claims[name] = value;
    return read_claims(claims, kExpected, kNow).value().scopes;
  };
  CHECK(scopes("scp", "a b") == std::vector<std::string>{"a", "b"});
  CHECK(scopes("scp", mcp::Json::array({"a", "b", 7})) == std::vector<std::string>{"a", "b"});
  CHECK(scopes("scope", mcp::Json::array({"a"})) == std::vector<std::string>{"a"});
  CHECK(scopes("scope", 7).empty());
  CHECK(scopes("other", "a").empty());
}
