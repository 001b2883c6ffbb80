#include "host/http/gate/settings.h"

#include <fmt/format.h>

#include <cmath>

#include "host/http/gate/allowed_names.h"
#include "host/http/gate/token_file.h"
#include "host/http/listening_sockets.h"
#include "host/upstream/http_library.h"
#include "host/upstream/http_url.h"

namespace pyember::host {

namespace {

Error wrong(std::string message) { return {ErrorCode::InvalidArgument, std::move(message)}; }

bool is_everywhere(const std::string& address) { return address == "0.0.0.0" || address == "::"; }

Result<void> check_names(const GateSettings& settings) {
  for (const std::string& host : settings.allowed_hosts) {
    if (parse_host_name(host)) continue;
    return wrong(
        fmt::format("--allowed-host '{}' can't be used, because it is no name. Say the name that "
                    "clients reach the server by, with its port or without: python.example:8443",
                    host));
  }
  for (const std::string& origin : settings.allowed_origins) {
    if (is_origin(origin)) continue;
    return wrong(
        fmt::format("--allowed-origin '{}' can't be used, because it is no origin. Say it as "
                    "browsers send it, without a path: https://app.example",
                    origin));
  }
  return {};
}

// Only who can tell callers apart may be reached by others.
Result<void> check_openness(const GateSettings& settings) {
  if (is_loopback(settings.address)) return {};
  if (!settings.authenticates()) {
    return wrong(fmt::format(
        "--host {} would let everybody who can reach this machine run code on it, because nobody "
        "is asked for a token. Make one with `pyember tokens add NAME`, or name an authorization "
        "server with --oauth-issuer and --oauth-audience; or leave --host out.",
        settings.address));
  }
  if (is_everywhere(settings.address) && settings.allowed_hosts.empty() && !settings.has_oauth()) {
    return wrong(fmt::format(
        "--host {} alone lets nobody in but this machine, because requests must name a host that "
        "is known. Say the names that clients reach the server by with --allowed-host.",
        settings.address));
  }
  return {};
}

Result<void> check_address_of(const char* option, const std::string& value,
                              const GateSettings& settings) {
  const std::optional<HttpUrl> url = parse_http_url(value);
  if (!url) {
    return wrong(
        fmt::format("{} '{}' can't be used, because it is no address. Say it in full: "
                    "https://login.example",
                    option, value));
  }
  if (url->scheme == "https" || (url->loopback() && is_loopback(settings.address))) return {};
  return wrong(
      fmt::format("{} '{}' can't be used, because what it says could be changed on its way. It "
                  "must be an address of https.",
                  option, value));
}

Result<void> check_oauth(const GateSettings& settings) {
  if (!settings.has_oauth()) {
    if (settings.oauth_audience.empty() && settings.oauth_keys.empty()) return {};
    return wrong(
        "--oauth-audience and --oauth-keys mean nothing alone, because no authorization server is "
        "named. Name it with --oauth-issuer.");
  }
  if (settings.oauth_audience.empty()) {
    return wrong(
        "--oauth-issuer alone can't be used, because tokens made for other servers would be taken "
        "as well. Say with --oauth-audience under which address clients reach this server: "
        "https://python.example/mcp");
  }
  if (!http_library()) return http_library().error();
  if (auto issuer = check_address_of("--oauth-issuer", settings.oauth_issuer, settings); !issuer) {
    return issuer;
  }
  if (auto audience = check_address_of("--oauth-audience", settings.oauth_audience, settings);
      !audience) {
    return audience;
  }
  if (settings.oauth_keys.empty()) return {};
  return check_address_of("--oauth-keys", settings.oauth_keys, settings);
}

}  // namespace

Result<void> check_gate(const GateSettings& settings) {
  if (auto names = check_names(settings); !names) return names;
  if (auto oauth = check_oauth(settings); !oauth) return oauth;
  if (auto openness = check_openness(settings); !openness) return openness;
  if (settings.has_tokens()) {
    const Result<std::vector<AccessToken>> tokens = TokenFile(settings.token_file).read();
    if (!tokens) return tokens.error();
  }
  const double rate = settings.requests_per_second;
  if (std::isfinite(rate) && rate >= 0) return {};
  return wrong(
      fmt::format("--rate-limit {} can't be used, because it is no number of requests a "
                  "second. Say one from 0 (any number) on.",
                  rate));
}

}  // namespace pyember::host
