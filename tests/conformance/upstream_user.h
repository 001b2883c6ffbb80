#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "host/loop/event_loop.h"
#include "host/loop/uv_handle.h"
#include "host/upstream/http_client.h"
#include "host/upstream/oauth_login.h"
#include "host/upstream/upstream_connection.h"
#include "mcp/json.h"

namespace pyember::test {

// One upstream and the person in front of it: requests are made over pyember's own connection, one
// after the other; where a server wants a login, the person logs in and agrees to everything, and
// the request is made again; what a server asks is answered with its defaults. Waits for all it
// does, by running the loop.
class UpstreamUser final : private host::UpstreamConnection::Owner {
 public:
  struct Settings {
    std::string url;
    bool try_handshake = false;  // else the server is asked for its era
    std::string client_id;       // of a client that was registered by hand
    std::string client_secret;
    std::string token_folder;
  };
  explicit UpstreamUser(Settings settings);
  ~UpstreamUser();

  // The errors are what pyember says.
  Result<mcp::Json> request(const std::string& method, const mcp::Json& params);
  Result<mcp::Json> list(const std::string& method, const std::string& member);  // the entries
  bool offers(std::string_view capability);
  // Called in the middle of the next request that asks something, before it is answered.
  void when_asked(std::string tool) { call_when_asked_ = std::move(tool); }
  void end();

 private:
  using Ask = std::function<void(mcp::Client&, mcp::Client::Done)>;

  void connection_is_ready() override { loop_.stop(); }
  void connection_failed(const std::string& why) override;
  void connection_sees_tools_changed() override {}
  void connection_is_asked(mcp::ClientAsked asked) override;

  Result<mcp::Json> with_logins(const Ask& ask);
  Result<mcp::Json> once(const Ask& ask);
  std::optional<std::string> connect();
  std::optional<std::string> log_in();
  void visit(const std::string& address);

  host::EventLoop loop_;
  UniqueFd never_[2];  // a pipe into which nothing is written: a loop with timers alone would end
  std::optional<host::Poll> stays_;
  const Settings settings_;
  host::UpstreamDefinition definition_;
  host::UpstreamSettings upstream_settings_;
  std::unique_ptr<host::UpstreamConnection> connection_;
  std::optional<std::string> failure_;
  std::optional<host::HttpClient> browser_;
  std::unique_ptr<host::HttpFetch> page_;
  std::size_t logins_ = 0;
  std::string call_when_asked_;
};

}  // namespace pyember::test
