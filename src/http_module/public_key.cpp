#include "host/http/gate/public_key.h"

#include <cjose/cjose.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

// libcjose checks that a key is of the algorithm's kind, but neither its strength nor its curve,
// and it takes any algorithm that a token names: which one is right is decided before it is asked.

namespace pyember::host {

namespace {

struct Release {
  void operator()(cjose_jwk_t* key) const { cjose_jwk_release(key); }
  void operator()(cjose_jws_t* token) const { cjose_jws_release(token); }
};
using Key = std::unique_ptr<cjose_jwk_t, Release>;
using Token = std::unique_ptr<cjose_jws_t, Release>;

// What an algorithm asks of a key and a signature.
struct Wanted {
  cjose_jwk_kty_t kind;
  cjose_jwk_ec_curve curve;      // of EC …
  std::size_t signature_digits;  // … and how long its signature is, in base64url
};

std::optional<Wanted> wanted_by(std::string_view algorithm) {
  if (algorithm == "ES256") return Wanted{CJOSE_JWK_KTY_EC, CJOSE_JWK_EC_P_256, 86};
  if (algorithm == "ES384") return Wanted{CJOSE_JWK_KTY_EC, CJOSE_JWK_EC_P_384, 128};
  if (algorithm == "ES512") return Wanted{CJOSE_JWK_KTY_EC, CJOSE_JWK_EC_P_521, 176};
  for (const std::string_view rsa : {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}) {
    if (algorithm == rsa) return Wanted{CJOSE_JWK_KTY_RSA, CJOSE_JWK_EC_INVALID, 0};
  }
  return std::nullopt;
}

class JoseKey final : public PublicKey {
 public:
  explicit JoseKey(Key key) : key_(std::move(key)) {}

  bool verifies(std::string_view token, std::string_view algorithm) const override {
    const std::optional<Wanted> wanted = wanted_by(algorithm);
    if (!wanted || !is_as(*wanted)) return false;
    // The library would not look at what is behind.
    const std::size_t digits = token.size() - token.rfind('.') - 1;
    if (wanted->signature_digits != 0 && digits != wanted->signature_digits) return false;
    cjose_err failure{};
    const Token read(cjose_jws_import(token.data(), token.size(), &failure));
    if (!read) return false;
    const char* named =
        cjose_header_get(cjose_jws_get_protected(read.get()), CJOSE_HDR_ALG, &failure);
    return named != nullptr && named == algorithm &&
           cjose_jws_verify(read.get(), key_.get(), &failure);
  }

  // 2,048 bits are the least that the algorithms ask for, and more than 8,192 only take time.
  bool is_usable() const {
    cjose_err failure{};
    const cjose_jwk_kty_t kind = cjose_jwk_get_kty(key_.get(), &failure);
    if (kind == CJOSE_JWK_KTY_EC) return true;
    const std::size_t bits = cjose_jwk_get_keysize(key_.get(), &failure);
    constexpr std::size_t kLeast = 2048, kMost = 8192;
    return kind == CJOSE_JWK_KTY_RSA && bits >= kLeast && bits <= kMost;
  }

 private:
  bool is_as(const Wanted& wanted) const {
    cjose_err failure{};
    if (cjose_jwk_get_kty(key_.get(), &failure) != wanted.kind) return false;
    return wanted.kind != CJOSE_JWK_KTY_EC ||
           cjose_jwk_EC_get_curve(key_.get(), &failure) == wanted.curve;
  }

  const Key key_;
};

}  // namespace

}  // namespace pyember::host

extern "C" __attribute__((visibility("default"))) pyember::host::PublicKey* pyember_read_public_key(
    const char* jwk, std::size_t size) {
  using namespace pyember::host;
  cjose_err failure{};
  Key read(cjose_jwk_import(jwk, size, &failure));
  if (!read) return nullptr;
  auto key = std::make_unique<JoseKey>(std::move(read));
  return key->is_usable() ? key.release() : nullptr;
}
