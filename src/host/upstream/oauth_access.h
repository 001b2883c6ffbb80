#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "host/loop/event_loop.h"
#include "host/loop/uv_handle.h"
#include "host/upstream/http_fetch.h"
#include "host/upstream/oauth_tokens.h"

namespace pyember::host {

// The token of one upstream, as `pyember upstreams login` has stored it: read when it is first
// needed, refreshed before it expires and when it is refused. Several servers share the file:
// whoever refreshes holds its lock, and the others read what came of it. Loop's thread only.
class OAuthAccess {
 public:
  // `server`: the upstream's url. An empty folder: there is never a token.
  OAuthAccess(EventLoop& loop, HttpClient& client, const std::string& folder,
              const std::string& server);
  ~OAuthAccess();

  // What to send now; empty: there is none.
  const std::string& token();
  // It expires soon, or has, and another can be had without the user.
  bool due();
  // Sees to another token than `refused`: `done` is called once, later, with what went wrong.
  void renew(const std::string& refused, std::function<void(std::optional<Error>)> done);
  // Whether a login since then has brought another token than `sent`; it is token() from now on.
  bool has_another_than(const std::string& sent);
  // What the server wants the next login to ask for.
  void want_scope(std::string_view scope);

 private:
  class Renewal;

  EventLoop& loop_;
  HttpClient& client_;
  const OAuthTokenFile file_;
  bool read_ = false;
  std::int64_t pause_until_ = 0;  // seconds since 1970: nothing is due before
  OAuthTokens tokens_;
  std::unique_ptr<Renewal> renewal_;
};

}  // namespace pyember::host
