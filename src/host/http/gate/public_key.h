#pragma once

#include <cstddef>
#include <string_view>

namespace pyember::host {

// A key that signatures of tokens are checked with. Made by the module that has the cryptography
// (src/http_module), so that nothing of it is linked into the program.
class PublicKey {
 public:
  virtual ~PublicKey() = default;

  // Whether the signature of this token is this key's, by this algorithm ("RS256"). `token` is in
  // the compact form that read_jws() accepts. Whether key and algorithm fit (kind, curve) is
  // checked here; an algorithm without public keys never fits.
  virtual bool verifies(std::string_view token, std::string_view algorithm) const = 0;
};

// A key from its JWK, as a JSON text; null: it is none that can be used (another kind, too weak,
// damaged). The module exports one under the name kReadPublicKey.
using ReadPublicKey = PublicKey* (*)(const char* jwk, std::size_t size);
inline constexpr const char* kReadPublicKey = "pyember_read_public_key";

}  // namespace pyember::host
