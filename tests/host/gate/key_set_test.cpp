#include "host/http/gate/key_set.h"

#include "base/limits.h"
#include "support/catch.h"

using namespace pyember::host;
namespace limits = pyember::limits;
namespace mcp = pyember::mcp;

namespace {

std::vector<KeyText> keys(const char* text) {
  const auto json = mcp::parse_json(text);
  REQUIRE(json);
  return keys_in(json.value());
}

}  // namespace

TEST_CASE("keys_in: keys for signatures, with nothing but what makes them", "[gate]") {
  const auto found = keys(R"({"keys":[
    {"kty":"RSA","kid":"one","alg":"RS256","use":"sig","n":"AQAB","e":"AQAB","x5c":["junk"],"d":"c2VjcmV0"},
    {"kty":"EC","kid":"two","crv":"P-256","x":"AQAB","y":"AQAB","key_ops":["verify"]}]})");
  REQUIRE(found.size() == 2);
  CHECK(found[0].id == "one");
  CHECK(found[0].algorithm == "RS256");
  CHECK(found[0].text == R"({"kty":"RSA","n":"AQAB","e":"AQAB"})");
  CHECK(found[1].algorithm.empty());
  CHECK(found[1].text == R"({"kty":"EC","crv":"P-256","x":"AQAB","y":"AQAB"})");
}

TEST_CASE("keys_in: what is for something else or damaged is left out", "[gate]") {
  for (const char* text :
       {R"({"keys":[{"kty":"oct","k":"AQAB"}]})",
        R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":"AQAB"}]})",
        R"({"keys":[{"kty":"RSA","use":"enc","n":"AQAB","e":"AQAB"}]})",
        R"({"keys":[{"kty":"RSA","key_ops":["encrypt"],"n":"AQAB","e":"AQAB"}]})",
        R"({"keys":[{"kty":"RSA","key_ops":"verify","n":"AQAB","e":"AQAB"}]})",
        R"({"keys":[{"kty":"RSA","n":"AQAB"}]})",
        R"({"keys":[{"kty":"RSA","n":"A===","e":"AQAB"}]})",
        R"({"keys":[{"kty":"RSA","n":"AQ+B","e":"AQAB"}]})",
        R"({"keys":[{"kty":"RSA","n":"AAAAA","e":"AQAB"}]})",
        R"({"keys":[{"kty":"RSA","n":7,"e":"AQAB"}]})",
        R"({"keys":[{"kty":["RSA"],"n":"AQAB","e":"AQAB"}]})",
        R"({"keys":{"kty":"RSA","n":"AQAB","e":"AQAB"}})", R"({"keys":["RSA",null,7]})", R"([])",
        R"("keys")", R"(null)", R"({})"}) {
    INFO(text);
    CHECK(keys(text).empty());
  }
}

TEST_CASE("keys_in: no more keys and no larger ones than the bounds", "[gate]") {
  mcp::Json many{{"keys", mcp::Json::array()}};
  for (std::size_t i = 0; i < limits::kIssuerKeys * 2; ++i) {
    many["keys"].push_back({{"kty", "RSA"}, {"n", "AQAB"}, {"e", "AQAB"}});
  }
  CHECK(keys_in(many).size() == limits::kIssuerKeys);
  const std::string long_number(limits::kKeyNumberBytes + 4, 'A');
  mcp::Json large{{"keys", mcp::Json::array()}};
  large["keys"].push_back({{"kty", "RSA"}, {"n", long_number}, {"e", "AQAB"}});
  CHECK(keys_in(large).empty());
}

TEST_CASE("fits_kind: elliptic curves and RSA", "[gate]") {
  CHECK(fits_kind("ES384", "EC"));
  CHECK(fits_kind("PS256", "RSA"));
  CHECK_FALSE(fits_kind("ES256", "RSA"));
  CHECK_FALSE(fits_kind("RS256", "EC"));
}
