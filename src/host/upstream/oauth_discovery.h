#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "host/upstream/http_fetch.h"
#include "host/upstream/oauth_challenge.h"
#include "host/upstream/oauth_metadata.h"

namespace pyember::host {

// Where one logs in for a server, and for what.
struct OAuthPlace {
  std::string resource;  // empty: the server is older than naming it
  AuthorizationServer authorization;
  std::string challenge_scope;  // what the server asked for when it was asked without a token
  std::string resource_scopes;  // what it supports
};

// Finds that out: asks the server without a token, as a client of either era does, then for its
// metadata, then for that of the authorization server it names. Destroying it ends it. Loop's
// thread only.
class OAuthDiscovery {
 public:
  using Done = std::function<void(Result<OAuthPlace>)>;  // may destroy it; errors in two sentences

  // `headers`: what is configured, sent to the server itself alone.
  OAuthDiscovery(HttpClient& client, HttpUrl server, HttpHeaders headers, Done done);

 private:
  void ask_server();
  void take_challenge(const Result<Fetched>& answer);
  void ask_next();
  void take_metadata(const Result<Fetched>& answer);
  void none_left();
  void take_resource(const mcp::Json& json);
  void look_for_issuer(const std::string& issuer);
  void end(Result<OAuthPlace> result);

  enum class Step { Resource, Issuer };

  HttpClient& client_;
  const HttpUrl server_;
  const HttpHeaders headers_;
  Done done_;
  Step step_ = Step::Resource;
  std::size_t asked_ = 0;            // questions to the server
  bool refused_ = false;             // it wants a token
  std::vector<std::string> places_;  // still to be tried, the next one last
  std::string issuer_;               // as it was named; empty: nobody did
  OAuthPlace found_;
  std::unique_ptr<HttpFetch> fetch_;
};

}  // namespace pyember::host
