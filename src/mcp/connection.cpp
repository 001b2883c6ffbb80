#include "mcp/connection.h"

#include "mcp/pending_call.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

// From bytes to a method. A line becomes a message, a message a request of one of the two eras
// (PROTOCOL: ERA-1): the modern one if its _meta says so, whatever happened before on this pipe,
// else the handshake's. Both share one space of request ids, since they share the pipe.
//
// Nothing here throws at bad input: the parser returns an error, and every member of a message is
// looked at before it is used.
namespace pyember::mcp {
namespace {

RpcError duplicate_id(const RequestId& id) {
  return invalid_request(fmt::format(
      "Invalid request: a request with the id {} is still in flight; it goes on. Give each request "
      "an id of its own until it is answered.",
      id.text()));
}

RpcError too_large(const std::string& reason) {
  return invalid_request(fmt::format(
      "Invalid request: the message was refused unread, because {}. Send less at once.", reason));
}

RpcError missing_meta() {
  return invalid_params(
      fmt::format("Invalid params: the request carries no params._meta[\"{}\"], and no initialize "
                  "has opened an older protocol version on this connection. Send {} (\"{}\") and "
                  "{} (an object) in params._meta, or call initialize first.",
                  meta_key::kProtocolVersion, meta_key::kProtocolVersion, to_string(kModernVersion),
                  meta_key::kClientCapabilities));
}

// Whether what was sent is to be answered at all.
bool expects_answer(const Json& message) {
  if (!message.is_object()) return true;
  const bool has_method = message.find("method") != message.end();
  return has_method == (message.find("id") != message.end());
}

}  // namespace

Connection::Impl::Impl(Server::Impl& server, Output& output, Options options)
    : server_(server),
      options_(std::move(options)),
      responder_(server.info_member, output),
      framer_(server.bounds.line_bytes, *this),
      in_flight_(server.in_flight) {}

// Callbacks of the calls may look at the server: they don't find this connection any more.
void Connection::Impl::close() {
  closing_ = true;
  server_.leave(*this);
  responder_.close();
  take_subscriptions();
  for (const std::string& uri : handshake_.subscribed_uris) server_.remove_subscriber(uri);
  for (const auto& request : in_flight_.take_all()) request->cancel();
}

void Connection::Impl::cancel_all() {
  take_subscriptions();
  for (const auto& request : in_flight_.take_all()) {
    request->cancel();
    forget(request->from);
  }
}

void Connection::Impl::receive_end() {
  framer_.receive_end();
  ended_ = true;
  end_questions();
  end_subscriptions_if_over();
}

void Connection::Impl::receive_message(Result<Json>&& parsed, std::string_view text,
                                       const RequestHeaders* headers) {
  handle_text(text, std::move(parsed), kNoTicket, headers);
}

// --- lines -----------------------------------------------------------------------------------

// What is answered is kept before it is dealt with: a server that dies in between finds it in one
// of the two places. What is not (notifications) may come twice.
void Connection::Impl::line(std::string_view text) {
  if (closing_) return;
  Result<Json> value = parse_json(text);
  const bool answered = !value.ok() || expects_answer(value.value());
  Ticket ticket = kNoTicket;
  if (answered) {
    ticket = responder_.output().keep(text, framer_.position());
    responder_.output().dealt_with(framer_.position());
  }
  handle_text(text, std::move(value), ticket, nullptr);
  if (!answered) responder_.output().dealt_with(framer_.position());
}

void Connection::Impl::handle_text(std::string_view text, Result<Json>&& value, Ticket ticket,
                                   const RequestHeaders* headers) {
  if (value.ok()) {
    Json message = value.take();
    if (message.is_array() && headers == nullptr && handshake_.knows_batches()) {
      handle_batch(std::move(message), text.size(), ticket);
    } else {
      handle_message(std::move(message), {{}, {}, nullptr, text.size(), ticket}, headers);
    }
  } else if (value.error().code == ErrorCode::LimitReached) {
    responder_.error({find_id(text, text), {}, nullptr, 0, ticket},
                     too_large(value.error().message));
  } else {
    responder_.error({{}, {}, nullptr, 0, ticket}, parse_error(value.error().message));
  }
}

void Connection::Impl::overlong_line(std::string_view beginning, std::string_view end) {
  const Ticket ticket = responder_.output().keep(beginning, framer_.position());
  responder_.output().dealt_with(framer_.position());
  responder_.error(
      {find_id(beginning, end), {}, nullptr, 0, ticket},
      too_large(fmt::format("its line is longer than {} bytes", server_.bounds.line_bytes)));
}

// A line out of its turn can only be a notification: a request is served when its turn comes.
void Connection::Impl::receive_early(std::string_view line) {
  Result<Json> value = parse_json(line);
  if (!value.ok() || !value.value().is_object()) return;
  const Message message = read_message(value.take());
  if (message.kind == Message::Kind::Notification) handle_notification(message);
}

// --- messages --------------------------------------------------------------------------------

void Connection::Impl::handle_batch(Json&& messages, std::size_t bytes, Ticket ticket) {
  if (messages.empty()) {
    responder_.error({{}, {}, nullptr, 0, ticket},
                     invalid_request("Invalid request: the batch is empty. Put at least one "
                                     "message into it, or send messages one by one."));
    return;
  }
  const auto batch = std::make_shared<Batch>(responder_, ticket);
  for (Json& message : messages) {
    handle_message(std::move(message), {{}, {}, batch, bytes / messages.size(), ticket}, nullptr);
  }
}

void Connection::Impl::handle_message(Json&& value, Recipient&& from,
                                      const RequestHeaders* headers) {
  if (closing_) return;
  Message message = read_message(std::move(value));
  from.id = std::move(message.id);
  switch (message.kind) {
    case Message::Kind::Request:
      return handle_request(
          {std::move(from), std::move(message.method), std::move(message.params), headers});
    case Message::Kind::Notification:
      handle_notification(message);
      return forget(from);
    case Message::Kind::Response:
      message.id = std::move(from.id);
      handle_response(std::move(message));
      return forget(from);
    case Message::Kind::Invalid:
      return responder_.error(from, message.error);
  }
}

void Connection::Impl::handle_request(Request&& request) {
  if (in_flight_.contains(request.from.id)) {
    responder_.error_beside(request.from, duplicate_id(request.from.id));
  } else if (request.headers != nullptr || carries_modern_meta(request.params)) {
    handle_modern_request(std::move(request));
  } else {
    handle_handshake_request(std::move(request));
  }
}

// In the order of PROTOCOL: ERA-4. Until the context is read, answers are of the handshake's form;
// errors look the same in both.
void Connection::Impl::handle_modern_request(Request&& request) {
  const RequestHeaders* const headers = request.headers;
  std::optional<RpcError> error = check_modern_meta(request.params, headers);
  if (!error && headers != nullptr) error = check_method(*headers, request.method);
  if (error) return responder_.error(request.from, *error);
  const Method* method = find_method(request.method);
  if (method == nullptr || method->era == Era::Handshake) {
    return responder_.error(request.from, unknown_method(request.method));
  }
  if (headers != nullptr) {
    error = check_name(*headers, request.method, request.params);
    if (error) return responder_.error(request.from, *error);
  }
  ContextOrError context = read_modern_context(request.params);
  if (const auto* bad = std::get_if<RpcError>(&context)) {
    return responder_.error(request.from, *bad);
  }
  request.from.context = std::move(std::get<RequestContext>(context));
  (this->*method->serve)(std::move(request));
}

void Connection::Impl::handle_handshake_request(Request&& request) {
  const Method* method = find_method(request.method);
  if (method == nullptr) {
    responder_.error(request.from, unknown_method(request.method));
    return;
  }
  const bool always = method->serve == &Impl::initialize || method->serve == &Impl::ping;
  if (method->era == Era::Modern || (!always && !handshake_.is_open())) {
    responder_.error(request.from, missing_meta());
    return;
  }
  ContextOrError context = handshake_.read_context(request.params);
  if (const auto* error = std::get_if<RpcError>(&context)) {
    responder_.error(request.from, *error);
    return;
  }
  request.from.context = std::move(std::get<RequestContext>(context));
  (this->*method->serve)(std::move(request));
}

// Notifications we don't know are nobody's error (PROTOCOL: BASE-1).
void Connection::Impl::handle_notification(const Message& message) {
  if (message.method == "notifications/cancelled") {
    cancel(message.params);
  } else if (message.method == "notifications/initialized") {
    handshake_.confirm();
    protocol_changed();
  }
}

// Unknown, finished and malformed ids are ignored (PROTOCOL: CAN-1).
void Connection::Impl::cancel(const Json& params) {
  const auto member = params.find("requestId");
  if (member == params.end()) return;
  const std::optional<RequestId> id = RequestId::from(*member);
  if (!id) return;
  const std::shared_ptr<PendingRequest> request = in_flight_.take(*id);
  if (!request) return;
  drop_subscription(*id);
  request->cancel();
  forget(request->from);
  end_subscriptions_if_over();
}

const Connection::Impl::Method* Connection::Impl::find_method(std::string_view name) {
  static constexpr std::array<Method, 18> kMethods = {{
      {"tools/call", &Impl::call_tool, Era::Both},
      {"tools/list", &Impl::list_tools, Era::Both},
      {"resources/read", &Impl::read_resource, Era::Both},
      {"resources/list", &Impl::list_resources, Era::Both},
      {"resources/templates/list", &Impl::list_templates, Era::Both},
      {"prompts/list", &Impl::list_prompts, Era::Both},
      {"prompts/get", &Impl::get_prompt, Era::Both},
      {"completion/complete", &Impl::complete_argument, Era::Both},
      {"tasks/get", &Impl::get_task, Era::Modern},
      {"tasks/update", &Impl::update_task, Era::Modern},
      {"tasks/cancel", &Impl::cancel_task, Era::Modern},
      {"server/discover", &Impl::discover, Era::Modern},
      {"subscriptions/listen", &Impl::listen, Era::Modern},
      {"initialize", &Impl::initialize, Era::Handshake},
      {"ping", &Impl::ping, Era::Handshake},
      {"logging/setLevel", &Impl::set_log_level, Era::Handshake},
      {"resources/subscribe", &Impl::subscribe, Era::Handshake},
      {"resources/unsubscribe", &Impl::unsubscribe, Era::Handshake},
  }};
  for (const Method& method : kMethods) {
    if (method.name == name) return &method;
  }
  return nullptr;
}

// --- what we say unasked ---------------------------------------------------------------------

void Connection::Impl::resource_updated(std::string_view uri) {
  constexpr std::string_view kMethod = "notifications/resources/updated";
  std::string member;
  const auto named = [&member, uri]() -> const std::string& {
    if (member.empty()) {
      member = R"("uri":)";
      append_json_string(member, uri);
    }
    return member;
  };
  if (handshake_.subscribed_uris.contains(uri)) {
    responder_.notification(nullptr, kMethod, '{' + named() + '}');
  }
  for (std::size_t index = 0; index < subscriptions_.size(); ++index) {
    const Subscription& each = subscriptions_[index];
    if (!each.filter.uris.contains(uri)) continue;
    responder_.notification(&each.id, kMethod, subscription_params(each, named()));
  }
}

void Connection::Impl::list_changed(std::string_view method, bool SubscriptionFilter::*wanted) {
  if (handshake_.is_confirmed()) responder_.notification(nullptr, method, {});
  for (std::size_t index = 0; index < subscriptions_.size(); ++index) {
    const Subscription& each = subscriptions_[index];
    if (!(each.filter.*wanted)) continue;
    responder_.notification(&each.id, method, subscription_params(each, {}));
  }
}

void Connection::Impl::log(LogLevel level, std::string_view logger, const Json& data) {
  if (handshake_.log_level && level >= *handshake_.log_level) {
    notify_log(nullptr, level, logger, data);
  }
}

void Connection::Impl::notify_log(const RequestId* about, LogLevel level, std::string_view logger,
                                  const Json& data) {
  std::string params = R"({"level":")";
  params += to_string(level);
  params += '"';
  if (!logger.empty()) {
    params += R"(,"logger":)";
    append_json_string(params, logger);
  }
  params += R"(,"data":)";
  append_json(params, data);
  params += '}';
  responder_.notification(about, "notifications/message", params);
}

void Connection::Impl::notify_progress(const Recipient& from, double progress,
                                       std::optional<double> total, std::string_view message) {
  std::string params = R"({"progressToken":)" + from.context.progress_token + R"(,"progress":)";
  append_json(params, progress);
  if (total) {
    params += R"(,"total":)";
    append_json(params, *total);
  }
  if (!message.empty() && knows_progress_message(from.context.version)) {
    params += R"(,"message":)";
    append_json_string(params, message);
  }
  params += '}';
  responder_.notification(&from.id, "notifications/progress", params);
}

// After the client closed its end subscriptions can still report what running requests do; when
// the last of those is answered, they are over (PROTOCOL: SUB-5).
void Connection::Impl::end_subscriptions_if_over() {
  if (ended_ && in_flight_.size() <= subscriptions_.size()) end_subscriptions();
}

void Connection::Impl::end_subscriptions() {
  for (const Subscription& each : take_subscriptions()) {
    const std::shared_ptr<PendingRequest> request = in_flight_.take(each.id);
    if (request) responder_.subscription_result(request->from);  // null: the last word ended us
  }
}

std::vector<Subscription> Connection::Impl::take_subscriptions() {
  for (const Subscription& each : subscriptions_) {
    for (const std::string& uri : each.filter.uris) server_.remove_subscriber(uri);
  }
  return std::exchange(subscriptions_, {});
}

void Connection::Impl::drop_subscription(const RequestId& id) {
  const auto found = std::find_if(subscriptions_.begin(), subscriptions_.end(),
                                  [&id](const Subscription& each) { return each.id == id; });
  if (found == subscriptions_.end()) return;
  for (const std::string& uri : found->filter.uris) server_.remove_subscriber(uri);
  subscriptions_.erase(found);
}

// --- the public face -------------------------------------------------------------------------

Connection::Connection(Server& server, Output& output) : Connection(server, output, Options()) {}

Connection::Connection(Server& server, Output& output, Options options)
    : impl_(std::make_shared<Impl>(*server.impl_, output, std::move(options))) {
  server.impl_->join(*impl_);
}

Connection::~Connection() { impl_->close(); }

// Kept while they run, since what they send may destroy the connection.
void Connection::resume(Continuation&& from) {
  const auto kept = impl_;
  kept->resume(std::move(from));
}

void Connection::receive(std::string_view bytes) {
  const auto kept = impl_;
  kept->receive(bytes);
}

void Connection::receive_early(std::string_view line) {
  const auto kept = impl_;
  kept->receive_early(line);
}

void Connection::receive_end() {
  const auto kept = impl_;
  kept->receive_end();
}

void Connection::receive_message(Result<Json>&& parsed, std::string_view text,
                                 const RequestHeaders* headers) {
  const auto kept = impl_;
  kept->receive_message(std::move(parsed), text, headers);
}

void Connection::end_subscriptions() {
  const auto kept = impl_;
  kept->end_subscriptions();
}

void Connection::cancel_all() {
  const auto kept = impl_;
  kept->cancel_all();
}

std::size_t Connection::in_flight() const { return impl_->in_flight(); }
std::optional<Version> Connection::version() const { return impl_->version(); }

}  // namespace pyember::mcp
