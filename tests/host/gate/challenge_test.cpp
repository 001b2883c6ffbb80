#include "host/http/gate/challenge.h"

#include "host/upstream/oauth_challenge.h"
#include "host/upstream/oauth_metadata.h"
#include "support/catch.h"

using namespace pyember::host;
namespace mcp = pyember::mcp;

namespace {

GateSettings oauth(const char* audience) {
  GateSettings settings;
  settings.oauth_issuer = "https://login.example";
  settings.oauth_audience = audience;
  return settings;
}

std::string field(const HttpReply& reply, std::string_view name) {
  for (const mcp::HttpField& each : reply.fields) {
    if (each.name == name) return each.value;
  }
  return {};
}

}  // namespace

// What a client of ours understands, others do as well.
TEST_CASE("Challenges: a client finds out where to get which token", "[gate]") {
  const Challenges challenges(oauth("https://python.example/mcp"));
  const HttpReply reply = challenges.token_missing();
  CHECK(reply.status == 401);
  const OAuthChallenge read = parse_challenge(field(reply, "WWW-Authenticate"));
  CHECK(read.bearer);
  CHECK(read.error.empty());
  CHECK(read.scope == "tools:*");
  CHECK(read.resource_metadata ==
        "https://python.example/.well-known/oauth-protected-resource/mcp");

  const auto json = mcp::parse_json(challenges.metadata());
  REQUIRE(json);
  const auto server = parse_http_url("https://python.example/mcp");
  REQUIRE(server);
  const auto metadata = read_resource_metadata(json.value(), *server);
  REQUIRE(metadata);
  CHECK(metadata.value().resource == "https://python.example/mcp");
  CHECK(metadata.value().authorization_servers ==
        std::vector<std::string>{"https://login.example"});
  CHECK(metadata.value().scopes == "tools:* sessions scripts code");
  CHECK(json.value()["bearer_methods_supported"] == mcp::Json::array({"header"}));
}

TEST_CASE("Challenges: what is wrong with a token is said in the words of RFC 6750", "[gate]") {
  const Challenges challenges(oauth("https://python.example/mcp"));
  const auto challenge = [](const HttpReply& reply) {
    return parse_challenge(field(reply, "WWW-Authenticate"));
  };
  CHECK(challenges.token_invalid("It has expired.").status == 401);
  CHECK(challenge(challenges.token_invalid("It has expired.")).error == "invalid_token");
  CHECK(challenges.malformed().status == 400);
  CHECK(challenge(challenges.malformed()).error == "invalid_request");
  const HttpReply reply = challenges.insufficient("code sessions");
  CHECK(reply.status == 403);
  CHECK(challenge(reply).error == "insufficient_scope");
  CHECK(challenge(reply).scope == "code sessions");
  CHECK(challenge(reply).resource_metadata.ends_with("/mcp"));
}

TEST_CASE("Challenges: metadata is where clients look, and nowhere without OAuth", "[gate]") {
  const Challenges challenges(oauth("https://python.example/tools/mcp"));
  CHECK(challenges.is_metadata("/.well-known/oauth-protected-resource"));
  CHECK(challenges.is_metadata("/.well-known/oauth-protected-resource/mcp"));
  CHECK(challenges.is_metadata("/.well-known/oauth-protected-resource/tools/mcp"));
  CHECK_FALSE(challenges.is_metadata("/.well-known/oauth-protected-resource/other"));
  CHECK_FALSE(challenges.is_metadata("/mcp"));
  const Challenges none{GateSettings{}};
  CHECK_FALSE(none.is_metadata("/.well-known/oauth-protected-resource"));
  CHECK(field(none.token_missing(), "WWW-Authenticate").find("resource_metadata") ==
        std::string::npos);
}
