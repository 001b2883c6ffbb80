#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "host/upstream/http_url.h"
#include "mcp/json.h"

namespace pyember::host {

// What a server says about the tokens it takes (RFC 9728).
struct ResourceMetadata {
  std::string resource;  // it, as tokens are to name it
  std::vector<std::string> authorization_servers;
  std::string scopes;  // supported, separated by blanks
};

// What an authorization server says about itself (RFC 8414, OpenID Connect Discovery).
struct AuthorizationServer {
  std::string issuer;
  std::string authorization_endpoint;
  std::string token_endpoint;
  std::string registration_endpoint;  // empty: clients can't register themselves
  std::vector<std::string> client_auth_methods;
  std::string scopes;              // supported, separated by blanks
  bool takes_client_urls = false;  // a client's id may be the address of its metadata
  bool names_itself = false;       // its answers say who it is ("iss")
};

// How a server is called where tokens are concerned: without a lone '/' as its path.
std::string resource_name(const HttpUrl& server);

// Where a server's metadata may be: where its challenge says, or else two places of its own.
std::vector<std::string> resource_metadata_places(const HttpUrl& server, const std::string& told);
// Where an authorization server's may be, in the order in which they are tried.
std::vector<std::string> issuer_metadata_places(const HttpUrl& issuer);

// What is sent there is secret, so it must be https; or http on this machine, for a server that is
// there itself: a server elsewhere has nothing to send us to here.
bool may_be_asked(const HttpUrl& address, const HttpUrl& server);

// Errors are two sentences: what is wrong with it and why that matters. Everything that they take
// over was checked with may_be_asked(). An empty `issuer`: a server of 2025-03-26, which has no
// metadata of its own and does not name one; its origin's counts, whatever its path.
Result<ResourceMetadata> read_resource_metadata(const mcp::Json& json, const HttpUrl& server);
Result<AuthorizationServer> read_issuer_metadata(const mcp::Json& json, const std::string& issuer,
                                                 const HttpUrl& server);
// An authorization server without metadata, which 2025-03-26 allows: at the server's own origin.
AuthorizationServer usual_authorization_server(const HttpUrl& server);

}  // namespace pyember::host
