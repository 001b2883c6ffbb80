#include "host/http/gate/public_key.h"

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "host/http/gate/jws.h"
#include "signed_tokens.h"
#include "support/catch.h"

using namespace pyember::host;

extern "C" PublicKey* pyember_read_public_key(const char* jwk, std::size_t size);

namespace {

std::unique_ptr<PublicKey> read(const std::string& jwk) {
  return std::unique_ptr<PublicKey>(pyember_read_public_key(jwk.data(), jwk.size()));
}

}  // namespace

TEST_CASE("PublicKey: a signature of each algorithm is its key's", "[gate]") {
  for (const SignedToken& each : kSignedTokens) {
    INFO(each.algorithm);
    const auto key = read(each.key);
    REQUIRE(key);
    CHECK(key->verifies(each.token, each.algorithm));
  }
}

TEST_CASE("PublicKey: a token that is changed anywhere is not signed", "[gate]") {
  for (const SignedToken& each : kSignedTokens) {
    const auto key = read(each.key);
    REQUIRE(key);
    const std::string token = each.token;
    for (std::size_t i = 0; i < token.size(); i += 7) {
      // The last digit of a part has bits that mean nothing.
      const bool last = i + 1 == token.size() || token[i + 1] == '.';
      if (token[i] == '.' || last) continue;
      std::string changed = token;
      changed[i] = changed[i] == 'A' ? 'B' : 'A';
      INFO(each.algorithm << " at " << i);
      CHECK_FALSE(key->verifies(changed, each.algorithm));
    }
  }
}

TEST_CASE("PublicKey: the algorithm that is asked for must be the token's and fit the key",
          "[gate]") {
  for (const SignedToken& each : kSignedTokens) {
    const auto key = read(each.key);
    REQUIRE(key);
    for (const char* other : {"RS256", "RS512", "PS256", "ES256", "ES384", "ES512", "HS256",
                              "HS512", "none", "EdDSA", ""}) {
      if (std::string(other) == each.algorithm) continue;
      INFO(each.algorithm << " as " << other);
      CHECK_FALSE(key->verifies(each.token, other));
    }
  }
  for (const SignedToken& token : kSignedTokens) {
    for (const SignedToken& other : kSignedTokens) {
      if (std::string(token.key) == other.key) continue;
      CHECK_FALSE(read(other.key)->verifies(token.token, token.algorithm));
    }
  }
}

TEST_CASE("PublicKey: a key's curve is that of the algorithm", "[gate]") {
  CHECK_FALSE(read(kP256Key)->verifies(kWrongCurve, "ES384"));
}

TEST_CASE("PublicKey: what is no strong public key is none", "[gate]") {
  CHECK_FALSE(read(kWeakRsaKey));
  for (
      const char* bad :
      {"", "{", "[]", "{}", R"({"kty":"oct","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQ"})",
       R"({"kty":"RSA"})", R"({"kty":"RSA","n":"AQAB","e":"AQAB"})",
       R"({"kty":"EC","crv":"P-256"})", R"({"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"})",
       R"({"kty":"OKP","crv":"Ed25519","x":"AAAA"})",
       R"({"kty":"EC","crv":"P-256","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})",
       R"({"kty":7})"}) {
    INFO(bad);
    CHECK_FALSE(read(bad));
  }
}

TEST_CASE("PublicKey: signatures of any length are only wrong", "[gate]") {
  for (const SignedToken& each : kSignedTokens) {
    const auto key = read(each.key);
    const std::string token = each.token;
    const std::string unsigned_part = token.substr(0, token.rfind('.') + 1);
    for (const std::size_t length : {2u, 3u, 4u, 40u, 86u, 87u, 128u, 1000u, 4000u}) {
      CHECK_FALSE(key->verifies(unsigned_part + std::string(length, 'A'), each.algorithm));
    }
  }
}

TEST_CASE("PublicKey: nothing may stand behind a signature", "[gate]") {
  for (const SignedToken& each : kSignedTokens) {
    const auto key = read(each.key);
    for (const char* more : {"A", "AA", "AAA", "AAAA", "AAAAAA"}) {
      INFO(each.algorithm << " and " << more);
      CHECK_FALSE(key->verifies(each.token + std::string(more), each.algorithm));
    }
  }
}

// The library asserts on some base64: what read_jws() accepts must not reach that.
TEST_CASE("PublicKey: no token that is read stops the process", "[gate]") {
  const unsigned seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  std::vector<std::unique_ptr<PublicKey>> keys;
  for (const char* key : {kRsaKey, kP256Key, kP521Key}) keys.push_back(read(key));
  const std::string letters = "AZaz09-_.=+/ \n\x80";
  std::size_t asked = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string token = kSignedTokens[random() % std::size(kSignedTokens)].token;
    for (unsigned changes = random() % 3; changes > 0; --changes) {
      const std::size_t at = random() % token.size();
      // Mostly behind the header, where the token stays readable.
      const std::size_t behind = token.size() - 1 - random() % (token.size() / 2);
      const char letter = letters[random() % letters.size()];
      if (random() % 3 == 0) {
        token.erase(behind, 1 + random() % 5);
      } else {
        token[std::min(random() % 4 == 0 ? at : behind, token.size() - 1)] = letter;
      }
    }
    const auto jws = read_jws(token);
    if (!jws) continue;
    ++asked;
    (void)keys[random() % keys.size()]->verifies(token, jws.value().algorithm);
  }
  CHECK(asked > 1'000);
}
