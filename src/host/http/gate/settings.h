#pragma once

#include <string>
#include <vector>

#include "base/limits.h"
#include "base/result.h"

namespace pyember::host {

// Who may come in over HTTP, as the command line says it (docs/http-security.md).
struct GateSettings {
  std::string address = "localhost";  // listened on: ListenAddress::host
  std::string path = "/mcp";          // of the endpoint
  bool tls = false;
  std::vector<std::string> allowed_hosts;    // --allowed-host: names, with a port or without
  std::vector<std::string> allowed_origins;  // --allowed-origin: "https://app.example"
  std::string token_file;                    // --token-file; empty: no tokens
  std::string oauth_issuer;                  // --oauth-issuer; empty: no OAuth
  std::string oauth_audience;                // --oauth-audience: this server, as tokens name it
  std::string oauth_keys;  // --oauth-keys, its JWKS; empty: the issuer's metadata says where
  double requests_per_second = limits::kServedRequestsPerSecond;  // of one principal; 0: any number

  bool has_tokens() const { return !token_file.empty(); }
  bool has_oauth() const { return !oauth_issuer.empty(); }
  bool authenticates() const { return has_tokens() || has_oauth(); }
};

// Why a server may not be started like this: it would be open to others, or nobody could come in,
// as with a file of tokens that can't be read. The message says which option mends it.
Result<void> check_gate(const GateSettings& settings);

}  // namespace pyember::host
