#include "host/http/gate/challenge.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "host/http/gate/scopes.h"
#include "host/upstream/http_url.h"
#include "mcp/json.h"

namespace pyember::host {

namespace {

constexpr std::string_view kWellKnown = "/.well-known/oauth-protected-resource";

mcp::HttpFields with_challenge(std::string challenge) {
  return {{"WWW-Authenticate", std::move(challenge)}};
}

}  // namespace

Challenges::Challenges(const GateSettings& settings) {
  if (!settings.has_oauth()) return;
  const std::optional<HttpUrl> audience = parse_http_url(settings.oauth_audience);
  if (!audience) return;
  const std::string path = audience->path == "/" ? "" : audience->path;
  const std::string root(kWellKnown);
  metadata_paths_ = {root, root + path, root + settings.path};
  metadata_address_ = audience->origin() + root + path;
  const mcp::Json metadata{
      {"resource", settings.oauth_audience},
      {"authorization_servers", std::vector<std::string>{settings.oauth_issuer}},
      {"scopes_supported", offered_scopes()},
      {"bearer_methods_supported", std::vector<std::string>{"header"}},
      {"resource_name", "pyember"}};
  metadata_ = mcp::to_json_text(metadata);
}

bool Challenges::is_metadata(std::string_view path) const {
  return std::find(metadata_paths_.begin(), metadata_paths_.end(), path) != metadata_paths_.end();
}

// Quoted values hold nothing that would have to be escaped: they are ours.
std::string Challenges::bearer(std::string_view error, std::string_view why,
                               std::string_view scope) const {
  std::string text = "Bearer realm=\"pyember\"";
  if (!error.empty()) text += fmt::format(", error=\"{}\"", error);
  if (!why.empty()) text += fmt::format(", error_description=\"{}\"", why);
  text += fmt::format(", scope=\"{}\"", scope);
  if (!metadata_address_.empty()) {
    text += fmt::format(", resource_metadata=\"{}\"", metadata_address_);
  }
  return text;
}

HttpReply Challenges::token_missing() const {
  return refusal(401,
                 "This server wants an access token. Send one in the header Authorization, as "
                 "`Bearer TOKEN`.",
                 with_challenge(bearer("", "", kEverything)));
}

HttpReply Challenges::token_invalid(std::string_view why) const {
  return refusal(401, why, with_challenge(bearer("invalid_token", why, kEverything)));
}

HttpReply Challenges::malformed() const {
  constexpr std::string_view kWhy = "The header Authorization is not `Bearer` and a token.";
  return refusal(400, kWhy, with_challenge(bearer("invalid_request", kWhy, kEverything)));
}

HttpReply Challenges::insufficient_for_metrics(std::string_view scope) const {
  constexpr std::string_view kWhy =
      "The access token does not let its bearer see this server's numbers: they are those of all "
      "callers. Use one with the scope metrics.";
  return refusal(403, kWhy, with_challenge(bearer("insufficient_scope", kWhy, scope)));
}

HttpReply Challenges::insufficient(std::string_view scope) const {
  constexpr std::string_view kWhy = "The access token does not let its bearer call this tool.";
  return refusal(403, kWhy, with_challenge(bearer("insufficient_scope", kWhy, scope)));
}

}  // namespace pyember::host
