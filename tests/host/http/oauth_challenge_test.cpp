#include "host/upstream/oauth_challenge.h"

#include "support/catch.h"

using namespace pyember::host;

TEST_CASE("OAuth: a challenge is read, quoted or not", "[oauth]") {
  const OAuthChallenge challenge = parse_challenge(
      "Bearer error=\"insufficient_scope\", scope=\"a b\" ,resource_metadata=https://h/x, "
      "error_description=\"with \\\"quotes\\\", and commas\"");
  CHECK(challenge.bearer);
  CHECK(challenge.error == "insufficient_scope");
  CHECK(challenge.scope == "a b");
  CHECK(challenge.resource_metadata == "https://h/x");
}

TEST_CASE("OAuth: the Bearer challenge is found among others", "[oauth]") {
  const OAuthChallenge challenge =
      parse_challenge("Basic realm=\"scope=x\", bearer scope=read, Digest scope=\"no\"");
  CHECK(challenge.bearer);
  CHECK(challenge.scope == "read");
  CHECK_FALSE(parse_challenge("Basic realm=\"Bearer\"").bearer);
  CHECK(parse_challenge("Bearer").bearer);
  HttpHead head;
  head.headers = {{"www-authenticate", "Negotiate"}, {"www-authenticate", "Bearer scope=\"s\""}};
  CHECK(challenge_of(head).scope == "s");
}

TEST_CASE("OAuth: nonsense in a challenge is survived", "[oauth]") {
  for (const std::string_view text :
       {"", ",,,", "=", "\"", "Bearer =\"", "Bearer scope=\"never closed", "Bearer scope=\"x\\",
        "Bearer ====", "\"\"\"\"", "Bearer a b c \"d"}) {
    (void)parse_challenge(text);
  }
  CHECK(parse_challenge("Bearer scope=\"never closed").scope == "never closed");
  CHECK(parse_challenge("Bearer scope=\"" + std::string(100'000, 'x') + "\"").scope.empty());
}

TEST_CASE("OAuth: scopes are united without doubles, and their number is bounded", "[oauth]") {
  CHECK(united_scopes("a b", "b c a") == "a b c");
  CHECK(united_scopes("", "  x  ") == "x");
  CHECK(united_scopes("", "").empty());
  std::string many;
  for (int i = 0; i < 5000; ++i) many += "s" + std::to_string(i) + " ";
  CHECK(united_scopes("first", many).size() < 1000);
}
