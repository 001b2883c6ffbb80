#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mcp/json.h"

// A set of keys (JWKS, RFC 7517), as an authorization server publishes it. Its word, and bounded.
namespace pyember::host {

struct KeyText {
  std::string id;         // "kid"; may be empty
  std::string algorithm;  // "alg"; empty: any that fits
  std::string kind;       // "RSA", "EC"
  std::string text;       // the key, as a JWK with nothing but what makes it
};

// Those that signatures are checked with: public, of a known kind, not meant for something else,
// and well formed. The first limits::kIssuerKeys.
std::vector<KeyText> keys_in(const mcp::Json& key_set);

// "RS256" fits "RSA", "ES256" fits "EC".
bool fits_kind(std::string_view algorithm, std::string_view kind);

}  // namespace pyember::host
