// One connection to an upstream over HTTP, or one login there, for tests: orders come as lines of
// JSON on stdin, and what the transport tells goes out as lines of JSON on stdout. See
// tests/upstream_http/driver.py.

#include <unistd.h>

#include <string>

#include "base/file_io.h"
#include "host/loop/event_loop.h"
#include "host/loop/uv_handle.h"
#include "host/upstream/http_upstream.h"
#include "host/upstream/oauth_login.h"
#include "mcp/json.h"
#include "mcp/json_members.h"

using namespace pyember;
using namespace pyember::host;

namespace {

class Driver final : UpstreamTransport::Owner {
 public:
  explicit Driver(const mcp::Json& settings)
      : input_(loop_, STDIN_FILENO, [this](int) { read(); }) {
    definition_.name = "driven";
    definition_.kind = UpstreamDefinition::Kind::Http;
    definition_.url = mcp::text_in(settings, "url");
    definition_.source = "the test";
    if (settings.contains("headers")) {
      definition_.headers = settings["headers"].get<std::map<std::string, std::string>>();
    }
    input_.start(UV_READABLE);
    if (settings.contains("login")) {
      log_in(settings);
      return;
    }
    TransportSettings transport;
    transport.token_folder = mcp::text_in(settings, "tokens");
    transport_ = make_http_transport(loop_, definition_, transport, *this);
    transport_->start();
  }
  void run() { loop_.run(); }

 private:
  void log_in(const mcp::Json& settings) {
    const mcp::Json& wish = settings["login"];
    client_.emplace(loop_);
    login_ = std::make_unique<OAuthLogin>(
        loop_, *client_, definition_,
        OAuthLoginSettings{.token_folder = mcp::text_in(settings, "tokens"),
                           .client_id = mcp::text_in(wish, "client_id"),
                           .client_secret = mcp::text_in(wish, "client_secret"),
                           .client_url = mcp::text_in(wish, "client_url"),
                           .scope = mcp::text_in(wish, "scope")},
        [this](const std::string& address) {
          tell({{"show", address}});
        },
        [this](const Result<OAuthTokens>& result) {
          if (result) return tell({{"logged_in", result.value().scope}});
          tell({{"login_failed", result.error().message}});
        });
  }

  void read() {
    char chunk[65536];
    const ssize_t got = ::read(STDIN_FILENO, chunk, sizeof chunk);
    if (got <= 0) return loop_.stop();
    text_.append(chunk, static_cast<std::size_t>(got));
    for (std::size_t end; (end = text_.find('\n')) != std::string::npos;) {
      const std::string line = text_.substr(0, end);
      text_.erase(0, end + 1);
      obey(mcp::parse_json(line, {64, 4096, 1u << 20}).take());
    }
  }

  void obey(const mcp::Json& order) {
    const std::string what = mcp::text_in(order, "do");
    if (what == "abandon") transport_->abandon(order["id"].get<std::int64_t>());
    if (what == "end") transport_->end([this] { tell({{"did", "end"}}); });
    if (what == "drop") transport_.reset();
    if (what == "answer") {
      tell({{"taken", login_->take_answer(mcp::text_in(order, "address"))}});
    }
    if (what != "send") return;
    OutgoingMessage message;
    message.text = mcp::to_json_text(order["message"]);
    message.method = mcp::text_in(order["message"], "method");
    if (order["message"].contains("id")) message.id = order["message"]["id"].get<std::int64_t>();
    message.name = mcp::text_in(order, "name");
    message.protocol_version = mcp::text_in(order, "version");
    message.modern = mcp::flag_in(order, "modern");
    transport_->send(std::move(message));
  }

  void tell(const mcp::Json& event) const {
    write_all(STDOUT_FILENO, mcp::to_json_text(event) + "\n");
  }
  void transport_message(std::string_view json) override { tell({{"message", json}}); }
  void transport_ended(const std::string& why) override { tell({{"ended", why}}); }
  void transport_request_failed(std::int64_t id, const Error& error) override {
    tell({{"failed", id}, {"why", error.message}, {"code", static_cast<int>(error.code)}});
  }
  void transport_session_lost(std::int64_t id) override { tell({{"session_lost", id}}); }

  EventLoop loop_;
  Poll input_;
  UpstreamDefinition definition_;
  std::unique_ptr<UpstreamTransport> transport_;
  std::optional<HttpClient> client_;
  std::unique_ptr<OAuthLogin> login_;
  std::string text_;
};

}  // namespace

int main(int, char** arguments) {
  Driver driver(mcp::parse_json(arguments[1]).take());
  driver.run();
  _exit(0);
}
