#include "host/upstream/http_upstream.h"

#include <fmt/format.h>

#include <algorithm>
#include <list>
#include <optional>
#include <utility>

#include "base/limits.h"
#include "host/loop/uv_handle.h"
#include "host/upstream/http_failure.h"
#include "host/upstream/http_headers.h"
#include "host/upstream/http_library.h"
#include "host/upstream/http_listening.h"
#include "host/upstream/http_reply.h"
#include "host/upstream/http_url.h"
#include "host/upstream/oauth_access.h"
#include "host/upstream/oauth_challenge.h"
#include "mcp/json.h"
#include "mcp/json_members.h"

// Each message is a Sending from send() until its answer has come. Some must wait (held): while a
// token is renewed, while notifications/initialized is on its way and the stream for the server's
// own messages is not there yet (what a request has a server ask may come that way, and would be
// lost), and while an HTTP+SSE server has not said yet where it wants them. One that was refused
// for its token, or redirected, is sent again, at most once and kHttpRedirects times: a server that
// refuses has done nothing.
//
// What a Sending is told by its reply it hands to the upstream, which decides what becomes of it.
// Both may be gone when the owner of the transport has been called, so that comes last everywhere.

namespace pyember::host {

namespace {

constexpr std::string_view kInitialized = "notifications/initialized";

// Whether it is the answer to request `id`.
bool is_answer(const std::string& text, std::int64_t id) {
  const mcp::JsonBounds bounds{limits::kMaximumJsonDepth, limits::kUpstreamJsonMembers,
                               limits::kUpstreamJsonValues};
  const Result<mcp::Json> message = mcp::parse_json(text, bounds);
  if (!message || !message.value().is_object()) return false;
  const mcp::Json& value = message.value();
  return !value.contains("method") && value.contains("id") && value["id"] == id;
}

// The JSON-RPC error that an answer with a status of failure may hold, whatever id it names.
std::optional<mcp::Json> rpc_error_in(const std::string& body) {
  const Result<mcp::Json> message = mcp::parse_json(body);
  if (!message || !message.value().is_object()) return std::nullopt;
  const mcp::Json& value = message.value();
  if (!value.contains("error") || !value["error"].is_object()) return std::nullopt;
  return value["error"];
}

// To a request that named one. Besides 404 there is what servers answer that were written after an
// example of the TypeScript SDK: 400, with a word about the session.
bool session_is_unknown(const HttpOutcome& outcome) {
  if (outcome.head.status == 404) return true;
  const std::optional<mcp::Json> error = rpc_error_in(outcome.error_body);
  return outcome.head.status == 400 && error && mcp::number_in(*error, "code") == -32000 &&
         mcp::text_in(*error, "message").find("session") != std::string::npos;
}

class HttpUpstream;

struct Sending final : HttpReply::Owner {
  Sending(HttpUpstream& owner, HttpClient& client, OutgoingMessage what);
  void reply_head(const HttpHead& head) override;
  void reply_event(SseEvent event) override;
  void reply_ended(const HttpOutcome& outcome) override;

  HttpUpstream& upstream;
  OutgoingMessage message;
  HttpReply reply;
  bool waiting = false;    // it was held
  std::string token;       // that it was sent with
  std::string session_id;  // the same
  std::string last;        // the message that came last
  std::string refused;     // the token of an earlier attempt
  bool renewed = false;
  std::size_t redirects = 0;
  std::size_t resumptions = 0;  // since the last event
  std::unique_ptr<Timer> pause;
};

class HttpUpstream final : public UpstreamTransport, public HttpListening::Owner {
 public:
  HttpUpstream(EventLoop& loop, const UpstreamDefinition& definition,
               const TransportSettings& settings, UpstreamTransport::Owner& owner)
      : loop_(loop),
        definition_(definition),
        settings_(settings),
        owner_(owner),
        soon_(loop, [this] { owner_.transport_ended(problem_); }),
        stream_patience_(loop, [this] { stream_is_there(); }) {}

  void start() override;
  void send(OutgoingMessage message) override;
  void abandon(std::int64_t id) override;
  void end(std::function<void()> done) override;

  // Of Sending.
  void sending_head(Sending& sending, const HttpHead& head);
  void sending_ended(Sending& sending, const HttpOutcome& outcome);
  UpstreamTransport::Owner& owner() { return owner_; }

 private:
  std::string problem() const;
  bool held(const OutgoingMessage& message) const;
  void release();
  void dispatch(Sending& sending);
  void post(Sending& sending);
  const std::string& token();
  std::optional<Error> try_again_with_another_token(Sending& sending);

  bool succeeded(Sending& sending, const HttpOutcome& outcome);
  bool resume(Sending& sending);
  void unauthorized(Sending& sending, const HttpOutcome& outcome);
  bool follow(Sending& sending, const HttpOutcome& outcome);
  bool try_the_old_way(Sending& sending, const HttpOutcome& outcome);
  void refused(Sending& sending, const HttpOutcome& outcome);
  void renew_token(const std::string& refused);

  void finish(const Sending& sending);
  void fail(const Sending& sending, const Error& error);
  void listen();
  void stream_is_there();

  HttpRequest listening_request(const std::string& last_event_id) override;
  void listening_begun() override { stream_is_there(); }
  void listening_event(SseEvent event) override;
  void listening_over(const HttpOutcome& outcome) override;

  enum class Old { Untried, Asked, Used, Refused };  // the HTTP+SSE of 2024-11-05

  EventLoop& loop_;
  const UpstreamDefinition& definition_;
  const TransportSettings settings_;
  UpstreamTransport::Owner& owner_;
  Timer soon_;
  std::string problem_;  // why nothing can be sent
  std::optional<HttpUrl> url_;
  std::optional<HttpClient> client_;
  std::optional<OAuthAccess> access_;  // null: the configuration has an Authorization of its own
  std::string session_id_;
  std::string protocol_version_;  // of the last message that named one
  bool initialized_pending_ = false;
  bool stream_pending_ = false;  // or is waited for no longer
  Timer stream_patience_;
  bool renewing_ = false;
  std::optional<Error> renewal_failure_;
  Old old_ = Old::Untried;
  Error handshake_failure_;  // why the old way was tried
  std::list<Sending> sendings_;
  std::unique_ptr<HttpListening> listening_;
  std::unique_ptr<HttpReply> ending_;
  struct Ending;
  std::unique_ptr<Ending> end_;
};

// --- beginning and end
// -----------------------------------------------------------------------------

void HttpUpstream::start() {
  problem_ = problem();
  if (!problem_.empty()) {
    soon_.start({});
    return;
  }
  url_ = parse_http_url(definition_.url);
  client_.emplace(loop_);
  if (!has_authorization(definition_.headers)) {
    access_.emplace(loop_, *client_, settings_.token_folder, definition_.url);
  }
}

std::string HttpUpstream::problem() const {
  if (!http_library()) return http_library().error().message;
  const char* where = definition_.source.empty() ? "its configuration" : definition_.source.c_str();
  if (!parse_http_url(definition_.url)) {
    return fmt::format(
        "'{}' can't be reached. Its url is no address of http or https. Correct it "
        "in {}.",
        definition_.name, where);
  }
  if (const std::optional<std::string> mistake = mistake_in_headers(definition_.headers)) {
    return fmt::format("'{}' can't be reached. Its headers can't be sent: {}. Correct them in {}.",
                       definition_.name, *mistake, where);
  }
  return {};
}

// The last request: that a session is deleted. What comes of it does not matter.
struct HttpUpstream::Ending final : HttpExchange::Owner {
  Ending(EventLoop& loop, std::function<void()> after)
      : done(std::move(after)), soon(loop, [this] { over(); }) {}
  void http_head(const HttpHead&) override {}
  void http_body(std::string_view) override {}
  void http_ended(const std::optional<Error>&) override { over(); }
  void over() {
    if (const auto call = std::exchange(done, nullptr)) call();
  }
  std::function<void()> done;
  std::unique_ptr<HttpExchange> exchange;
  Timer soon;
};

void HttpUpstream::end(std::function<void()> done) {
  soon_.stop();
  sendings_.clear();
  listening_.reset();
  end_ = std::make_unique<Ending>(loop_, std::move(done));
  if (session_id_.empty() || !client_) {
    end_->soon.start({});
    return;
  }
  HttpRequest request{
      .method = "DELETE",
      .url = url_->text(),
      .headers = headers_of_session(definition_.headers, protocol_version_, session_id_, token()),
      .body = {},
      .timeout = limits::kHttpEndDeadline};
  end_->exchange = client_->start(std::move(request), *end_);
}

// --- sending
// ---------------------------------------------------------------------------------------

void HttpUpstream::send(OutgoingMessage message) {
  if (!client_ || end_ != nullptr) return;
  if (!message.protocol_version.empty()) protocol_version_ = message.protocol_version;
  Sending& sending = sendings_.emplace_back(*this, *client_, std::move(message));
  dispatch(sending);
}

bool HttpUpstream::held(const OutgoingMessage& message) const {
  return renewing_ || old_ == Old::Asked || stream_pending_ ||
         (initialized_pending_ && message.method != kInitialized);
}

void HttpUpstream::dispatch(Sending& sending) {
  if (!held(sending.message) && access_ && access_->due()) renew_token(access_->token());
  sending.waiting = held(sending.message);
  if (!sending.waiting) post(sending);
}

void HttpUpstream::release() {
  for (Sending& sending : sendings_) {
    if (sending.waiting) dispatch(sending);
  }
}

const std::string& HttpUpstream::token() {
  static const std::string kNone;
  return access_ ? access_->token() : kNone;
}

void HttpUpstream::post(Sending& sending) {
  if (sending.message.method == kInitialized) initialized_pending_ = true;
  sending.token = token();
  sending.session_id = sending.message.modern ? "" : session_id_;
  HttpRequest request{.method = "POST",
                      .url = url_->text(),
                      .headers = headers_of(sending.message, definition_.headers,
                                            sending.session_id, sending.token),
                      .body = sending.message.text};
  const bool answered_here = sending.message.id && old_ != Old::Used;
  sending.reply.begin(std::move(request),
                      answered_here ? HttpReply::Body::Messages : HttpReply::Body::Ignored);
}

void HttpUpstream::abandon(std::int64_t id) {
  sendings_.remove_if([id](const Sending& sending) { return sending.message.id == id; });
}

void HttpUpstream::finish(const Sending& sending) {
  sendings_.remove_if([&](const Sending& other) { return &other == &sending; });
}

void HttpUpstream::fail(const Sending& sending, const Error& error) {
  const std::optional<std::int64_t> id = sending.message.id;
  finish(sending);
  if (id) owner_.transport_request_failed(*id, error);
}

// --- answers
// ---------------------------------------------------------------------------------------

Sending::Sending(HttpUpstream& owner, HttpClient& client, OutgoingMessage what)
    : upstream(owner), message(std::move(what)), reply(client, *this) {}

void Sending::reply_head(const HttpHead& head) { upstream.sending_head(*this, head); }

void Sending::reply_event(SseEvent event) {
  if (!event.type.empty() && event.type != "message") return;
  resumptions = 0;
  last = std::move(event.data);
  upstream.owner().transport_message(last);
}

void Sending::reply_ended(const HttpOutcome& outcome) { upstream.sending_ended(*this, outcome); }

void HttpUpstream::sending_head(Sending& sending, const HttpHead& head) {
  if (sending.message.method != "initialize" || head.status != 200) return;
  const std::string_view id = head.header("mcp-session-id");
  const bool visible =
      std::all_of(id.begin(), id.end(), [](char letter) { return letter > ' ' && letter < 0x7f; });
  if (visible && id.size() <= limits::kHttpSessionIdBytes) session_id_ = id;
}

void HttpUpstream::sending_ended(Sending& sending, const HttpOutcome& outcome) {
  if (sending.message.method == kInitialized && outcome.head.status != 401) {
    initialized_pending_ = false;
    if (outcome.success()) listen();
    release();
  }
  const bool too_large = outcome.failure && outcome.failure->code == ErrorCode::LimitReached;
  if (outcome.failure && (too_large || !outcome.streamed)) {
    return fail(sending, connection_failure(definition_, *outcome.failure));
  }
  if (outcome.success()) {
    if (succeeded(sending, outcome) || resume(sending)) return;
    return fail(sending, outcome.failure ? connection_failure(definition_, *outcome.failure)
                                         : no_answer(definition_));
  }
  if (outcome.head.status == 401) return unauthorized(sending, outcome);
  if (outcome.head.status / 100 == 3 && follow(sending, outcome)) return;
  if (!sending.session_id.empty() && sending.message.id && session_is_unknown(outcome)) {
    const std::int64_t id = *sending.message.id;
    if (session_id_ == sending.session_id) session_id_.clear();
    listening_.reset();
    stream_pending_ = false;
    finish(sending);
    return owner_.transport_session_lost(id);
  }
  if (try_the_old_way(sending, outcome)) return;
  refused(sending, outcome);
}

// Whether nothing more is to come for it. The owner knows whether an answer has come; it is told of
// a stream that ended all the same, and takes no notice then.
bool HttpUpstream::succeeded(Sending& sending, const HttpOutcome& outcome) {
  const bool answered_elsewhere = !sending.message.id || old_ == Old::Used;
  if (!answered_elsewhere && outcome.streamed) return false;
  if (!answered_elsewhere && sending.last.empty()) return false;
  finish(sending);
  return true;
}

// Goes on with a stream that ended before its answer, where the server gave its events ids.
bool HttpUpstream::resume(Sending& sending) {
  const std::string& event = sending.reply.stream().last_event_id();
  if (sending.message.modern || event.empty() || is_answer(sending.last, *sending.message.id) ||
      sending.resumptions++ == limits::kHttpResumptions) {
    return false;
  }
  sending.pause = std::make_unique<Timer>(loop_, [this, &sending] {
    sending.token = token();
    sending.reply.begin(listening_request(sending.reply.stream().last_event_id()));
  });
  sending.pause->start(sending.reply.stream().retry().value_or(limits::kSseFirstRetry));
  return true;
}

bool HttpUpstream::follow(Sending& sending, const HttpOutcome& outcome) {
  const std::optional<HttpUrl> to = resolve_http_url(*url_, outcome.head.header("location"));
  const bool same_request = outcome.head.status == 307 || outcome.head.status == 308;
  if (!same_request || !to || !to->same_origin(*url_) ||
      sending.redirects++ == limits::kHttpRedirects) {
    fail(sending, redirected(definition_, outcome));
    return true;
  }
  url_ = to;  // what follows is spared the way
  dispatch(sending);
  return true;
}

// An answer that says no. Where it is a JSON-RPC error, the owner gets it as the request's.
void HttpUpstream::refused(Sending& sending, const HttpOutcome& outcome) {
  const OAuthChallenge challenge = challenge_of(outcome.head);
  if (outcome.head.status == 403 && challenge.error == "insufficient_scope") {
    if (access_ && !std::exchange(sending.renewed, true) &&
        access_->has_another_than(sending.token)) {
      return dispatch(sending);
    }
    if (access_) access_->want_scope(challenge.scope);
    return fail(sending, scope_wanted(definition_, challenge.scope));
  }
  const std::optional<mcp::Json> error = rpc_error_in(outcome.error_body);
  if (!sending.message.id || !error) {
    return fail(sending, status_failure(definition_, outcome, sending.token));
  }
  const mcp::Json answer = {{"jsonrpc", "2.0"}, {"id", *sending.message.id}, {"error", *error}};
  finish(sending);
  owner_.transport_message(mcp::to_json_text(answer));
}

// --- tokens
// ----------------------------------------------------------------------------------------

void HttpUpstream::unauthorized(Sending& sending, const HttpOutcome& outcome) {
  const OAuthChallenge challenge = challenge_of(outcome.head);
  if (access_ && !challenge.scope.empty()) access_->want_scope(challenge.scope);
  if (!access_ || std::exchange(sending.renewed, true)) {
    return fail(sending, login_wanted(definition_, "It refused the new token, too."));
  }
  sending.refused = sending.token;
  sending.waiting = true;
  renew_token(sending.refused);
}

void HttpUpstream::renew_token(const std::string& refused) {
  if (std::exchange(renewing_, true)) return;
  access_->renew(refused, [this](const std::optional<Error>& failure) {
    renewing_ = false;
    std::list<Sending> failed;
    for (auto at = sendings_.begin(); at != sendings_.end();) {
      const auto next = std::next(at);
      // One that was not sent yet may do without a token, or with one that is just not new.
      if (failure && at->waiting && at->renewed) failed.splice(failed.end(), sendings_, at);
      at = next;
    }
    release();
    for (const Sending& sending : failed) {
      if (sending.message.method == kInitialized) initialized_pending_ = false;
      if (!sending.message.id) continue;
      owner_.transport_request_failed(*sending.message.id,
                                      login_wanted(definition_, failure->message));
    }
  });
}

// --- the server's own messages, and HTTP+SSE
// -------------------------------------------------------

void HttpUpstream::listen() {
  if (!session_id_.empty() && old_ != Old::Used && listening_ == nullptr) {
    listening_ =
        std::make_unique<HttpListening>(loop_, *client_, *this, HttpListening::Ending::GoesOn);
    stream_pending_ = true;
    stream_patience_.start(limits::kHttpStreamPatience);
  }
}

void HttpUpstream::stream_is_there() {
  stream_patience_.stop();
  if (std::exchange(stream_pending_, false)) release();
}

HttpRequest HttpUpstream::listening_request(const std::string& last_event_id) {
  return {.method = "GET",
          .url = url_->text(),
          .headers = headers_of_listening(definition_.headers, protocol_version_, session_id_,
                                          token(), last_event_id)};
}

void HttpUpstream::listening_event(SseEvent event) {
  if (event.type.empty() || event.type == "message") {
    return owner_.transport_message(event.data);
  }
  if (event.type != "endpoint" || old_ != Old::Asked) return;
  const std::optional<HttpUrl> to = resolve_http_url(*url_, event.data);
  if (!to || !to->same_origin(*url_)) return;  // kOldSseDeadline ends it
  url_ = to;
  old_ = Old::Used;
  listening_->established();
  release();
}

bool HttpUpstream::try_the_old_way(Sending& sending, const HttpOutcome& outcome) {
  const int status = outcome.head.status;
  if (sending.message.method != "initialize" || old_ != Old::Untried ||
      (status != 400 && status != 404 && status != 405)) {
    return false;
  }
  if (rpc_error_in(outcome.error_body)) return false;  // it understood, and says no
  handshake_failure_ = status_failure(definition_, outcome, sending.token);
  old_ = Old::Asked;
  sending.waiting = true;
  listening_ =
      std::make_unique<HttpListening>(loop_, *client_, *this, HttpListening::Ending::IsTheEnd);
  return true;
}

void HttpUpstream::listening_over(const HttpOutcome& outcome) {
  if (old_ == Old::Used) {
    const Error why = outcome.failure ? connection_failure(definition_, *outcome.failure)
                                      : no_answer(definition_);
    return owner_.transport_ended(why.message);
  }
  listening_.reset();
  stream_is_there();
  if (old_ != Old::Asked) return;
  old_ = Old::Refused;
  // What waits was told no when it came with the handshake: that is the better reason.
  std::list<Sending> waiting;
  waiting.splice(waiting.end(), sendings_);
  const Error failure = handshake_failure_;
  for (const Sending& sending : waiting) {
    if (sending.message.id) owner_.transport_request_failed(*sending.message.id, failure);
  }
}

}  // namespace

std::unique_ptr<UpstreamTransport> make_http_transport(EventLoop& loop,
                                                       const UpstreamDefinition& definition,
                                                       const TransportSettings& settings,
                                                       UpstreamTransport::Owner& owner) {
  return std::make_unique<HttpUpstream>(loop, definition, settings, owner);
}

}  // namespace pyember::host
