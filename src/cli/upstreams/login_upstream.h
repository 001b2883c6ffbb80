#pragma once

#include <string>
#include <vector>

namespace pyember::cli {

// `pyember upstreams login`: what was asked for.
struct LoginCommand {
  std::string name;        // of an upstream that is configured, or its alias
  std::string client_id;   // of a client registered by hand; its secret is PYEMBER_CLIENT_SECRET
  std::string client_url;  // of a client's metadata document
  std::string scope;       // wanted beyond what the server asks for
  int port = 0;            // of this machine, where the browser comes back to; 0: any
  bool no_browser = false;
  bool forget = false;  // remove what an earlier login has brought
};

// Logs in at an upstream that is reached over HTTP, with the user's browser, and stores the tokens
// where servers find them. `files`: of --upstreams, as the server has them. Exit codes: 0; 1 when
// the login failed or there is no such upstream.
int login_upstream(const LoginCommand& command, const std::vector<std::string>& files);

}  // namespace pyember::cli
