#include "mcp/http/endpoint.h"

#include "base/limits.h"
#include "base/random_hex.h"
#include "mcp/eras.h"
#include "mcp/http/http_session.h"
#include "mcp/http/media_types.h"
#include "mcp/http/messages.h"
#include "mcp/http/modern_call.h"
#include "mcp/http/refusal.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

// From a request to the era that serves it. What is wrong with the request as HTTP is answered
// here; a message that has found its era is that era's affair.
namespace pyember::mcp {
namespace {

constexpr std::size_t kSessionIdBytes = 16;

struct Post {
  std::shared_ptr<HttpExchange> exchange;  // shared with the transport
  Accepted accepted;
  HttpCaller caller;
  Json message;
  RequestId id;  // of the request that it is, for a refusal

  const HttpRequest& request() const { return exchange->request(); }
  const std::string& text() const { return request().body; }
};

// Whether the head names a version, and one that `initialize` does not open.
bool names_modern_version(const HttpRequest& request) {
  const auto header = request.header("MCP-Protocol-Version");
  if (!header) return false;
  const std::optional<Version> version = parse_version(*header);
  return !version || is_modern(*version);
}

bool is_modern_message(const HttpRequest& request, const Json& message) {
  if (names_modern_version(request)) return true;
  const auto params = message.find("params");
  return params != message.end() && params->is_object() && carries_modern_meta(*params);
}

}  // namespace

HttpBounds HttpBounds::standard() {
  return {limits::kServedBodyBytes, limits::kServedExchanges, limits::kMaximumBytesInFlight,
          limits::kServedSessions, limits::kServedSessionIdle};
}

class HttpEndpoint::Impl {
 public:
  Impl(Server& server, HttpBounds bounds) : server_(server), bounds_(bounds) {}
  ~Impl();

  void handle(const std::shared_ptr<HttpExchange>& exchange, HttpCaller&& caller);
  void tick(std::chrono::steady_clock::time_point now);
  void close();
  std::size_t open_exchanges() const { return load_.exchanges; }
  std::size_t calls_in_flight() const;
  std::size_t sessions() const { return sessions_.size(); }

 private:
  void post(const std::shared_ptr<HttpExchange>& exchange, HttpCaller&& caller);
  void classify(Post&& post);
  void modern(Post&& post);
  void in_session(Post&& post);
  void initialize(Post&& post);
  void get(const std::shared_ptr<HttpExchange>& exchange);
  void remove(const std::shared_ptr<HttpExchange>& exchange);

  std::optional<Refusal> at_once(const HttpRequest& request) const;
  HttpSession* session_of(const HttpRequest& request);
  bool make_room_for_session();

  Server& server_;
  const HttpBounds bounds_;
  HttpLoad load_;
  std::unordered_map<const ModernCall*, std::unique_ptr<ModernCall>> calls_;
  struct Opened {
    std::unique_ptr<HttpSession> session;
    std::uint64_t last_use;  // counted over all sessions
  };
  std::unordered_map<std::string, Opened> sessions_;
  std::uint64_t uses_ = 0;
  std::chrono::steady_clock::time_point kept_alive_;
  bool ending_ = false;
};

HttpEndpoint::Impl::~Impl() {
  for (const auto& [call, owned] : std::exchange(calls_, {})) owned->abandon(server_ends());
  for (const auto& [id, opened] : std::exchange(sessions_, {})) opened.session->end(server_ends());
}

// --- any request -----------------------------------------------------------------------------

void HttpEndpoint::Impl::handle(const std::shared_ptr<HttpExchange>& exchange,
                                HttpCaller&& caller) {
  if (exchange->is_gone()) return;
  const HttpRequest& request = exchange->request();
  if (const std::optional<Refusal> refusal = at_once(request)) {
    return refuse(*exchange, {}, *refusal);
  }
  if (request.method == "POST") return post(exchange, std::move(caller));
  if (request.method == "GET") return get(exchange);
  remove(exchange);
}

// What is refused without a look at the message.
std::optional<Refusal> HttpEndpoint::Impl::at_once(const HttpRequest& request) const {
  const bool is_post = request.method == "POST";
  const bool of_session = request.method == "GET" || request.method == "DELETE";
  if (!is_post && !of_session) return method_not_allowed(request.method);
  if (of_session) {
    const auto version = request.header("MCP-Protocol-Version");
    if (version && !parse_version(*version)) return bad_version(*version);
    if (names_modern_version(request) || !request.header("Mcp-Session-Id")) {
      return method_not_allowed(request.method);
    }
  }
  if (request.method == "DELETE") return std::nullopt;
  if (ending_) return server_ends();
  if (load_.exchanges >= bounds_.exchanges) return overloaded();
  if (!is_post) return std::nullopt;
  if (request.body.size() > bounds_.body_bytes) return body_too_large(bounds_.body_bytes);
  if (load_.bytes + request.body.size() > bounds_.bytes) return overloaded();
  if (!is_json_type(request.header("Content-Type"))) return unsupported_type();
  return std::nullopt;
}

HttpSession* HttpEndpoint::Impl::session_of(const HttpRequest& request) {
  const auto found = sessions_.find(std::string(*request.header("Mcp-Session-Id")));
  if (found == sessions_.end()) return nullptr;
  found->second.last_use = ++uses_;
  return found->second.session.get();
}

// --- POST ------------------------------------------------------------------------------------

void HttpEndpoint::Impl::post(const std::shared_ptr<HttpExchange>& exchange, HttpCaller&& caller) {
  const HttpRequest& request = exchange->request();
  const Accepted accepted = read_accept(request.header("Accept"));
  if (!accepted.json && !accepted.events) {
    return refuse(*exchange, {}, not_acceptable("both application/json and text/event-stream"));
  }
  Result<Json> message = parse_json(request.body);
  if (!message.ok()) {
    const bool too_much = message.error().code == ErrorCode::LimitReached;
    return refuse(
        *exchange, too_much ? find_id(request.body, request.body) : RequestId(),
        too_much ? too_complex(message.error().message) : not_json(message.error().message));
  }
  RequestId id = id_of(message.value());
  classify({exchange, accepted, std::move(caller), message.take(), std::move(id)});
}

void HttpEndpoint::Impl::classify(Post&& post) {
  const bool of_session = post.request().header("Mcp-Session-Id").has_value();
  if (post.message.is_array()) {
    if (!of_session) return refuse(*post.exchange, {}, batch_out_of_place());
    return in_session(std::move(post));
  }
  if (is_modern_message(post.request(), post.message)) return modern(std::move(post));
  if (of_session) return in_session(std::move(post));
  if (method_of(post.message) == kInitialize) return initialize(std::move(post));
  refuse(*post.exchange, post.id, no_session());
}

// Notifications of this era have nothing to refer to: cancelling is hanging up.
void HttpEndpoint::Impl::modern(Post&& post) {
  if (is_notification(post.message)) return post.exchange->respond(202, {}, {});
  if (is_answer(post.message)) return refuse(*post.exchange, {}, answer_out_of_place());
  if (method_of(post.message) == kListen && !post.accepted.events) {
    return refuse(*post.exchange, post.id, not_acceptable("text/event-stream"));
  }
  auto owned =
      std::make_unique<ModernCall>(server_, post.exchange, post.accepted, std::move(post.caller),
                                   load_, [this](ModernCall& over) { calls_.erase(&over); });
  ModernCall& call = *owned;
  calls_.emplace(&call, std::move(owned));
  call.serve(post.request(), std::move(post.message), post.text());
}

void HttpEndpoint::Impl::in_session(Post&& post) {
  HttpSession* session = session_of(post.request());
  if (session == nullptr) return refuse(*post.exchange, post.id, unknown_session());
  session->post(post.exchange, post.accepted, std::move(post.caller), std::move(post.message),
                post.text());
}

void HttpEndpoint::Impl::initialize(Post&& post) {
  if (!make_room_for_session()) return refuse(*post.exchange, post.id, too_many_sessions());
  auto session = std::make_unique<HttpSession>(server_, random_hex(kSessionIdBytes), load_);
  session->post(post.exchange, post.accepted, std::move(post.caller), std::move(post.message),
                post.text());
  if (!session->is_open()) return;
  std::string id = session->id();
  sessions_.emplace(std::move(id), Opened{std::move(session), ++uses_});
}

// The session that was not used for the longest time makes room, if nobody listens to it.
bool HttpEndpoint::Impl::make_room_for_session() {
  if (sessions_.size() < bounds_.sessions) return true;
  auto oldest = sessions_.end();
  for (auto each = sessions_.begin(); each != sessions_.end(); ++each) {
    if (each->second.session->is_busy()) continue;
    if (oldest == sessions_.end() || each->second.last_use < oldest->second.last_use) {
      oldest = each;
    }
  }
  if (oldest == sessions_.end()) return false;
  sessions_.erase(oldest);
  return true;
}

// --- GET and DELETE --------------------------------------------------------------------------

void HttpEndpoint::Impl::get(const std::shared_ptr<HttpExchange>& exchange) {
  const HttpRequest& request = exchange->request();
  HttpSession* session = session_of(request);
  if (session == nullptr) return refuse(*exchange, {}, unknown_session());
  const Accepted accepted = read_accept(request.header("Accept"));
  if (!accepted.events) return refuse(*exchange, {}, not_acceptable("text/event-stream"));
  session->get(exchange, accepted, request.header("Last-Event-ID"));
}

void HttpEndpoint::Impl::remove(const std::shared_ptr<HttpExchange>& exchange) {
  const auto found = sessions_.find(std::string(*exchange->request().header("Mcp-Session-Id")));
  if (found == sessions_.end()) return refuse(*exchange, {}, unknown_session());
  const std::unique_ptr<HttpSession> session = std::move(found->second.session);
  sessions_.erase(found);
  session->end(unknown_session());
  exchange->respond(204, {}, {});
}

// --- time, and the end -----------------------------------------------------------------------

void HttpEndpoint::Impl::tick(std::chrono::steady_clock::time_point now) {
  std::erase_if(sessions_, [&](const auto& each) {
    return each.second.session->tick(now) >= bounds_.session_idle;
  });
  if (kept_alive_ == std::chrono::steady_clock::time_point()) kept_alive_ = now;
  if (now - kept_alive_ < limits::kServedEventKeepAlive) return;
  kept_alive_ = now;
  for (const auto& [call, owned] : calls_) owned->keep_alive();
  for (const auto& [id, opened] : sessions_) opened.session->keep_alive();
}

void HttpEndpoint::Impl::close() {
  ending_ = true;
  std::vector<ModernCall*> calls;  // each may be over by it
  for (const auto& [call, owned] : calls_) calls.push_back(owned.get());
  for (ModernCall* call : calls) call->end_subscription();
  for (const auto& [id, opened] : sessions_) opened.session->end_unasked();
}

std::size_t HttpEndpoint::Impl::calls_in_flight() const {
  auto count =
      static_cast<std::size_t>(std::count_if(calls_.begin(), calls_.end(), [](const auto& each) {
        return !each.second->is_subscription();
      }));
  for (const auto& [id, opened] : sessions_) count += opened.session->unanswered();
  return count;
}

// --- the public face -------------------------------------------------------------------------

HttpEndpoint::HttpEndpoint(Server& server, HttpBounds bounds)
    : impl_(std::make_unique<Impl>(server, bounds)) {}

HttpEndpoint::~HttpEndpoint() = default;

void HttpEndpoint::handle(const std::shared_ptr<HttpExchange>& exchange, HttpCaller caller) {
  impl_->handle(exchange, std::move(caller));
}
void HttpEndpoint::tick(std::chrono::steady_clock::time_point now) { impl_->tick(now); }
void HttpEndpoint::close() { impl_->close(); }
std::size_t HttpEndpoint::open_exchanges() const { return impl_->open_exchanges(); }
std::size_t HttpEndpoint::calls_in_flight() const { return impl_->calls_in_flight(); }
std::size_t HttpEndpoint::sessions() const { return impl_->sessions(); }
bool HttpEndpoint::is_idle() const {
  return open_exchanges() == 0 && calls_in_flight() == 0 && sessions() == 0;
}

}  // namespace pyember::mcp
