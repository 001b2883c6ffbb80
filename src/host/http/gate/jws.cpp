#include "host/http/gate/jws.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <optional>

#include "base/base64.h"
#include "base/limits.h"
#include "host/http/gate/scopes.h"
#include "mcp/json_members.h"

namespace pyember::host {

using mcp::Json;

namespace {

constexpr std::array<std::string_view, 9> kAlgorithms = {
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"};

Error wrong(const char* what) { return {ErrorCode::InvalidArgument, what}; }

bool is_base64url(std::string_view part) {
  constexpr std::size_t kGroup = 4;
  return !part.empty() && part.size() % kGroup != 1 &&
         std::all_of(part.begin(), part.end(), [](unsigned char each) {
           return std::isalnum(each) != 0 ? each < 0x80 : each == '-' || each == '_';
         });
}

std::optional<std::string> decoded(std::string_view part) {
  if (!is_base64url(part)) return std::nullopt;
  std::string text(part);
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  while (text.size() % 4 != 0) text += '=';
  return base64_decoded(text);
}

// Null: it is no JSON object.
Json object_in(std::string_view part) {
  const std::optional<std::string> text = decoded(part);
  if (!text) return nullptr;
  Result<Json> json = mcp::parse_json(*text);
  return json && json.value().is_object() ? json.take() : Json();
}

struct Parts {
  std::string_view header, payload, signature;
};

std::optional<Parts> parts_of(std::string_view token) {
  const std::size_t first = token.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = token.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const Parts parts{token.substr(0, first), token.substr(first + 1, second - first - 1),
                    token.substr(second + 1)};
  const bool fits = token.size() <= limits::kBearerBytes && is_base64url(parts.header) &&
                    is_base64url(parts.payload) && is_base64url(parts.signature);
  return fits ? std::optional(parts) : std::nullopt;
}

std::string lower(std::string text) {
  for (char& each : text) each = static_cast<char>(std::tolower(static_cast<unsigned char>(each)));
  return text;
}

// A token that says nothing, or that it is for access.
bool is_for_access(const Json& header) {
  const auto type = header.find("typ");
  if (type == header.end()) return true;
  if (!type->is_string()) return false;
  std::string name = lower(type->get<std::string>());
  constexpr std::string_view kMedia = "application/";
  if (name.starts_with(kMedia)) name.erase(0, kMedia.size());
  return name == "jwt" || name == "at+jwt";
}

std::string bare(std::string text) {
  if (text.ends_with('/')) text.pop_back();
  return text;
}

bool is_for(const Json& claims, const std::string& audience) {
  const auto found = claims.find("aud");
  if (found == claims.end()) return false;
  if (found->is_string()) return bare(found->get<std::string>()) == bare(audience);
  const std::vector<std::string> all = mcp::texts_in(claims, "aud");
  return std::any_of(all.begin(), all.end(),
                     [&](const std::string& each) { return bare(each) == bare(audience); });
}

// Nullopt: it is there and no time. Zero: it is not there.
std::optional<std::int64_t> time_in(const Json& claims, std::string_view name) {
  const auto found = claims.find(name);
  if (found == claims.end()) return 0;
  if (!found->is_number()) return std::nullopt;
  const double seconds = found->get<double>();
  constexpr double kFarAway = 1e15;
  if (!std::isfinite(seconds) || seconds < 1 || seconds > kFarAway) return std::nullopt;
  return static_cast<std::int64_t>(seconds);
}

// As RFC 9068 says it, and as two large providers do.
std::vector<std::string> scopes_in(const Json& claims) {
  for (const char* name : {"scope", "scp"}) {
    const auto found = claims.find(name);
    if (found == claims.end()) continue;
    if (found->is_string()) return split_scopes(found->get<std::string>());
    std::string words;
    for (const std::string& each : mcp::texts_in(claims, name)) words += each + " ";
    return split_scopes(words);
  }
  return {};
}

}  // namespace

bool looks_like_jws(std::string_view token) { return parts_of(token).has_value(); }

Result<Jws> read_jws(std::string_view token) {
  const std::optional<Parts> parts = parts_of(token);
  if (!parts) return wrong("The access token is not a signed token (JWT).");
  const Json header = object_in(parts->header);
  if (!header.is_object()) return wrong("The access token's header can't be read.");
  Jws jws{mcp::text_in(header, "alg"), mcp::text_in(header, "kid"), object_in(parts->payload)};
  if (std::find(kAlgorithms.begin(), kAlgorithms.end(), jws.algorithm) == kAlgorithms.end()) {
    return wrong("The access token is signed by an algorithm that is not accepted.");
  }
  if (header.contains("crit")) {
    return wrong("The access token has extensions that are not understood.");
  }
  if (!is_for_access(header)) return wrong("The token is not an access token.");
  if (!jws.claims.is_object()) return wrong("The access token's claims can't be read.");
  return jws;
}

Result<AccessClaims> read_claims(const Json& claims, const Expected& expected, std::int64_t now) {
  const std::int64_t leeway = limits::kClockLeeway.count();
  if (bare(mcp::text_in(claims, "iss")) != bare(expected.issuer)) {
    return wrong("The access token is from another authorization server.");
  }
  if (!is_for(claims, expected.audience)) {
    return wrong("The access token is for another server.");
  }
  const std::optional<std::int64_t> expires = time_in(claims, "exp");
  const std::optional<std::int64_t> begins = time_in(claims, "nbf");
  if (!expires || *expires == 0 || !begins) {
    return wrong("The access token does not say from when and until when it is valid.");
  }
  if (now >= *expires + leeway) return wrong("The access token has expired.");
  if (now + leeway < *begins) return wrong("The access token is not valid yet.");
  if (claims.contains("cnf")) {
    return wrong("The access token is bound to a key of its client, which is not checked here.");
  }
  AccessClaims read{mcp::text_in(claims, "sub"), scopes_in(claims), *expires};
  if (read.subject.empty() || read.subject.size() > limits::kSubjectBytes) {
    return wrong("The access token does not say whose it is.");
  }
  return read;
}

}  // namespace pyember::host
