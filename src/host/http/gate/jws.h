#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "mcp/json.h"

// Access tokens that are signed JSON (RFC 7515, 7519, 9068): what they say, before and after
// somebody has checked their signature. All of it is a stranger's word until then. Errors are one
// sentence and repeat nothing of the token, so that they may be told to its bearer.
namespace pyember::host {

// A token, taken apart.
struct Jws {
  std::string algorithm;  // one of those with public keys: RS256, PS512, ES384 …
  std::string key_id;     // of the key that signed it; empty: not told
  mcp::Json claims;       // an object
};

// The compact form, strictly: three parts in base64url without padding. Refused are other
// algorithms ("none" and those with shared secrets), extensions that must be understood (crit), and
// tokens for another purpose (typ).
Result<Jws> read_jws(std::string_view token);

// Whether it looks like one: what it is not is refused as malformed.
bool looks_like_jws(std::string_view token);

// What a server asks of a token.
struct Expected {
  std::string issuer;
  std::string audience;
};

// Whom a token lets in.
struct AccessClaims {
  std::string subject;
  std::vector<std::string> scopes;
  std::int64_t expires_at = 0;
};

// Checked: iss, aud, exp, nbf, sub; `now` in seconds since 1970, and clocks may differ by
// limits::kClockLeeway. A token that only who has a key may use (cnf) is refused: a thief would have
// to show nothing here.
Result<AccessClaims> read_claims(const mcp::Json& claims, const Expected& expected,
                                 std::int64_t now);

}  // namespace pyember::host
