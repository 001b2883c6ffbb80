#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "host/http/gate/jws.h"

namespace pyember::host {

// Signed tokens that were found good a short while ago (limits::kRememberedAccess, …For), so that
// their signatures are not checked with each request. Kept by their hashes. Loop's thread only.
class RememberedAccess {
 public:
  // Null: not known, or not any more. `now` in seconds since 1970.
  const AccessClaims* find(std::string_view token, std::int64_t now) const;
  void remember(std::string_view token, const AccessClaims& claims, std::int64_t now);

  std::size_t size() const { return known_.size(); }

 private:
  struct Known {
    AccessClaims claims;
    std::int64_t until;
  };
  std::unordered_map<std::string, Known> known_;  // by sha256_hex()
};

}  // namespace pyember::host
