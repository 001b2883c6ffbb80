#include "host/http/gate/remembered_access.h"

#include <algorithm>

#include "base/limits.h"
#include "base/sha256.h"

namespace pyember::host {

const AccessClaims* RememberedAccess::find(std::string_view token, std::int64_t now) const {
  const auto found = known_.find(sha256_hex(token));
  return found != known_.end() && now < found->second.until ? &found->second.claims : nullptr;
}

void RememberedAccess::remember(std::string_view token, const AccessClaims& claims,
                                std::int64_t now) {
  if (known_.size() >= limits::kRememberedAccess) {
    std::erase_if(known_, [now](const auto& each) { return now >= each.second.until; });
  }
  if (known_.size() >= limits::kRememberedAccess) known_.clear();
  const std::int64_t expires = claims.expires_at + limits::kClockLeeway.count();
  known_[sha256_hex(token)] = {claims,
                               std::min(expires, now + limits::kRememberedAccessFor.count())};
}

}  // namespace pyember::host
