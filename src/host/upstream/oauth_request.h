#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "host/upstream/http_fetch.h"
#include "host/upstream/oauth_tokens.h"

namespace pyember::host {

using FormFields = std::vector<std::pair<std::string, std::string>>;

// application/x-www-form-urlencoded.
std::string form_text(const FormFields& fields);
// The values of a query by name, decoded; the first of each name counts.
std::string form_value(std::string_view query, std::string_view name);

// 256 bits from the system, as 43 characters that may stand anywhere in an address.
std::string random_text();
// PKCE's S256: what tells of a verifier without giving it away.
std::string code_challenge(const std::string& verifier);

// A request to a token endpoint, for a client that shows who it is by `client_auth`: "none",
// "client_secret_post" or "client_secret_basic".
HttpRequest token_request(const OAuthTokens& client, FormFields fields);

// What a token endpoint granted, put into `tokens` (a refresh token or scope that it does not name
// stays); or why it did not: what its error says, and InvalidArgument when the grant itself is not
// good any more ("invalid_grant").
Result<void> take_grant(OAuthTokens& tokens, const Fetched& answer, std::int64_t now);

// What an error of an authorization server says of itself, bounded, on one line.
std::string told_error(const mcp::Json& answer);

}  // namespace pyember::host
