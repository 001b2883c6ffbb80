#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace pyember::host {

// What a login has brought, and what is needed to go on without the user. All of it is secret.
struct OAuthTokens {
  std::string server;  // the url it is for; never sent elsewhere
  std::string issuer;  // of the authorization server
  std::string token_endpoint;
  std::string client_id;
  std::string client_secret;
  std::string client_auth;  // how the client shows who it is: see oauth_request.h
  std::string resource;     // the server, as tokens name it
  std::string access_token;
  std::string refresh_token;    // empty: the user has to log in again
  std::int64_t expires_at = 0;  // seconds since 1970; 0: not told
  std::string scope;            // granted
  std::string wanted_scope;     // was missing: for the next login
};

// The file that keeps them, of one server and one user: nobody else may read it (0600 in a folder
// 0700), and one that others may read is not used. Any thread.
class OAuthTokenFile {
 public:
  // An empty folder: nothing is ever there, and nothing can be written.
  OAuthTokenFile(const std::string& folder, std::string server);

  // Empty tokens: there are none, or the file is not what it should be.
  OAuthTokens read() const;
  Result<void> write(const OAuthTokens& tokens) const;  // whole, or not at all
  bool remove() const;                                  // whether there was one
  // For reading, refreshing and writing with no other process in between; not held: another does.
  UniqueFd try_lock() const;

 private:
  const std::string server_;
  const std::string folder_;
  const std::string path_;
};

}  // namespace pyember::host
