#pragma once

#include <string>
#include <string_view>

#include "host/upstream/http_client.h"

namespace pyember::host {

// What a server that refuses a request (401, 403) says about the token it wants: the Bearer
// challenge of its WWW-Authenticate headers. All of it is the server's word, and bounded.
struct OAuthChallenge {
  bool bearer = false;            // there is such a challenge
  std::string error;              // "invalid_token", "insufficient_scope"; may be empty
  std::string scope;              // wanted, separated by blanks; may be empty
  std::string resource_metadata;  // where its metadata is; may be empty
};

OAuthChallenge parse_challenge(std::string_view header);
// The first Bearer challenge of all its headers.
OAuthChallenge challenge_of(const HttpHead& head);

// The scopes of both, each once, in order; at most limits::kOAuthScopes.
std::string united_scopes(std::string_view first, std::string_view second);

}  // namespace pyember::host
