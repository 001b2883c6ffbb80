#include "host/upstream/oauth_request.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "base/base64.h"
#include "base/check.h"
#include "base/limits.h"
#include "base/sha256.h"
#include "base/utf8.h"
#include "mcp/json_members.h"

namespace pyember::host {

namespace {

constexpr std::int64_t kLongestLife = 10ll * 365 * 24 * 3600;  // of a token, that we believe

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const unsigned char letter : text) {
    const bool plain = std::isalnum(letter) != 0 || letter == '-' || letter == '.' ||
                       letter == '_' || letter == '~';
    if (plain) {
      out += static_cast<char>(letter);
    } else {
      out += fmt::format("%{:02X}", letter);
    }
  }
  return out;
}

int hex_digit(char letter) {
  if (letter >= '0' && letter <= '9') return letter - '0';
  const int lower = std::tolower(static_cast<unsigned char>(letter));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool two = text[at] == '%' && at + 2 < text.size() && hex_digit(text[at + 1]) >= 0 &&
                     hex_digit(text[at + 2]) >= 0;
    if (two) {
      out += static_cast<char>(hex_digit(text[at + 1]) * 16 + hex_digit(text[at + 2]));
      at += 2;
    } else {
      out += text[at] == '+' ? ' ' : text[at];
    }
  }
  return out;
}

// Base64 as it may stand in addresses (RFC 4648, section 5), without padding.
std::string base64url(std::string_view bytes) {
  std::string text = base64_encoded(bytes);
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  text.erase(std::min(text.find('='), text.size()));
  return text;
}

}  // namespace

std::string form_text(const FormFields& fields) {
  std::string text;
  for (const auto& [name, value] : fields) {
    text += text.empty() ? "" : "&";
    text += percent_encoded(name) + "=" + percent_encoded(value);
  }
  return text;
}

std::string form_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::string_view field = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(field.size() + 1, query.size()));
    const std::size_t sign = std::min(field.find('='), field.size());
    if (percent_decoded(field.substr(0, sign)) != name) continue;
    return percent_decoded(field.substr(std::min(sign + 1, field.size())));
  }
  return {};
}

std::string random_text() {
  std::array<char, 32> bytes{};
  CHECK(getrandom(bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  return base64url({bytes.data(), bytes.size()});
}

std::string code_challenge(const std::string& verifier) {
  const std::string digits = sha256_hex(verifier);
  std::string bytes;
  for (std::size_t at = 0; at < digits.size(); at += 2) {
    bytes += static_cast<char>(hex_digit(digits[at]) * 16 + hex_digit(digits[at + 1]));
  }
  return base64url(bytes);
}

HttpRequest token_request(const OAuthTokens& client, FormFields fields) {
  HttpRequest request{.method = "POST",
                      .url = client.token_endpoint,
                      .headers = {{"Content-Type", "application/x-www-form-urlencoded"},
                                  {"Accept", "application/json"}}};
  // Beside a header that says it, too: some servers look for it only there.
  fields.emplace_back("client_id", client.client_id);
  if (client.client_auth == "client_secret_basic") {
    const std::string both =
        percent_encoded(client.client_id) + ":" + percent_encoded(client.client_secret);
    request.headers.emplace_back("Authorization", "Basic " + base64_encoded(both));
  } else if (client.client_auth == "client_secret_post") {
    fields.emplace_back("client_secret", client.client_secret);
  }
  if (!client.resource.empty()) fields.emplace_back("resource", client.resource);
  request.body = form_text(fields);
  return request;
}

std::string told_error(const mcp::Json& answer) {
  std::string text = mcp::text_in(answer, "error");
  const std::string more = mcp::text_in(answer, "error_description");
  if (!more.empty()) text += (text.empty() ? "" : ": ") + more;
  text = utf8::repaired(text);
  std::replace_if(
      text.begin(), text.end(), [](unsigned char letter) { return letter < ' '; }, ' ');
  return std::string(utf8::head(text, limits::kHttpErrorShown));
}

Result<void> take_grant(OAuthTokens& tokens, const Fetched& answer, std::int64_t now) {
  const std::string error = mcp::text_in(answer.json, "error");
  const std::string token = mcp::text_in(answer.json, "access_token");
  if (!answer.success() || token.empty()) {
    const std::string told = told_error(answer.json);
    return Error{error == "invalid_grant" ? ErrorCode::InvalidArgument : ErrorCode::Unavailable,
                 fmt::format("The authorization server gave no token (HTTP status {}{}{}).",
                             answer.head.status, told.empty() ? "" : ", ", told)};
  }
  if (!valid_http_header("Authorization", token)) {
    return Error{ErrorCode::Unavailable,
                 "The authorization server gave a token that can't be sent."};
  }
  std::string type = mcp::text_in(answer.json, "token_type");
  std::transform(type.begin(), type.end(), type.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  if (!type.empty() && type != "bearer") {
    return Error{ErrorCode::Unavailable,
                 "The authorization server gave a token of a kind that is not supported: only "
                 "Bearer is."};
  }
  tokens.access_token = token;
  const std::string refresh = mcp::text_in(answer.json, "refresh_token");
  if (!refresh.empty()) tokens.refresh_token = refresh;
  const std::string scope = mcp::text_in(answer.json, "scope");
  if (!scope.empty()) tokens.scope = scope;
  const double life = mcp::number_in(answer.json, "expires_in");
  tokens.expires_at =
      life > 0 ? now + static_cast<std::int64_t>(std::min(life, static_cast<double>(kLongestLife)))
               : 0;
  return {};
}

}  // namespace pyember::host
