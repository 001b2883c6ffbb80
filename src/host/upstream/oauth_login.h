#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "host/upstream/config/definition.h"
#include "host/upstream/oauth_discovery.h"
#include "host/upstream/oauth_listener.h"
#include "host/upstream/oauth_request.h"
#include "host/upstream/oauth_tokens.h"

namespace pyember::host {

// What the user may know about the login that can't be found out.
struct OAuthLoginSettings {
  std::string token_folder;
  std::string client_id;      // of a client that was registered by hand
  std::string client_secret;  // its secret; may be empty
  std::string client_url;     // of a client's metadata document (https)
  std::string scope;          // wanted beyond what the server asks for
  int port = 0;               // to come back to; 0: any
};

// A login by the authorization code flow (OAuth 2.1): finds out where, registers a client where
// none is known, has the user go there with a browser, and stores the tokens. PKCE is always used;
// an answer counts only with the state of this login and from the issuer that was asked. Made for
// one login. Loop's thread only.
class OAuthLogin {
 public:
  // Has the user go to an address. Called once, if it comes that far.
  using Show = std::function<void(const std::string& address)>;
  // What was granted, or why nothing was, in three parts.
  using Done = std::function<void(Result<OAuthTokens>)>;

  OAuthLogin(EventLoop& loop, HttpClient& client, const UpstreamDefinition& upstream,
             OAuthLoginSettings settings, Show show, Done done);

  // The answer as the browser's address bar has it, for a browser on another machine. False: it is
  // no answer to this login.
  bool take_answer(std::string_view address);

 private:
  void take_place(Result<OAuthPlace> place);
  void choose_client();
  void choose_client_auth();
  void register_client();
  void take_registration(const Result<Fetched>& answer);
  void show();
  std::string wanted_scope() const;
  std::string called(std::string_view query);
  void redeem(const std::string& code);
  void take_tokens(const Result<Fetched>& answer);
  void fail(const Error& error);
  void end(Result<OAuthTokens> result);

  EventLoop& loop_;
  HttpClient& client_;
  const UpstreamDefinition& upstream_;
  const OAuthLoginSettings settings_;
  const Show show_;
  Done done_;
  const OAuthTokenFile file_;
  const OAuthTokens before_;
  const std::string state_ = random_text();
  const std::string verifier_ = random_text();
  OAuthPlace place_;
  OAuthTokens tokens_;
  std::string come_back_;  // the redirect_uri
  bool answered_ = false;
  std::unique_ptr<OAuthDiscovery> discovery_;
  std::unique_ptr<HttpFetch> fetch_;
  Timer soon_;
  std::optional<Error> failure_;
  std::unique_ptr<OAuthListener> listener_;
};

}  // namespace pyember::host
