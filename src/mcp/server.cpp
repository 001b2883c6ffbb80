#include "mcp/server.h"

#include "base/limits.h"
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

ServerBounds ServerBounds::standard() {
  return {limits::kMaximumLineBytes,      limits::kMaximumRequestsInFlight,
          limits::kMaximumBytesInFlight,  limits::kMaximumSubscriptions,
          limits::kMaximumSubscribedUris, limits::kPageSize};
}

Server::Impl::Impl(ServerInfo info, ToolCatalog& tools, ResourceCatalog& resources, Output& output,
                   ServerBounds bounds)
    : info_(std::move(info)),
      bounds_(bounds),
      tools_(tools),
      resources_(resources),
      responder_(info_, output),
      framer_(bounds_.line_bytes, *this) {}

// Callbacks of the calls may look at the server: they find it empty.
Server::Impl::~Impl() {
  closing_ = true;
  for (const auto& waiting : std::exchange(waiting_, {})) {
    if (waiting->call != nullptr) waiting->call->cancel();
  }
  for (const auto& request : in_flight_.take_all()) request->cancel();
}

void Server::Impl::receive_end() {
  framer_.receive_end();
  ended_ = true;
  end_questions();
  end_subscriptions_if_over();
}

// --- lines -----------------------------------------------------------------------------------

// What is answered is kept before it is dealt with: a server that dies in between finds it in one
// of the two places. What is not (notifications) may come twice.
void Server::Impl::line(std::string_view text) {
  Output& output = responder_.output();
  Result<Json> value = parse_json(text);
  const bool answered = !value.ok() || expects_answer(value.value());
  Ticket ticket = kNoTicket;
  if (answered) {
    ticket = output.keep(text, framer_.position());
    output.dealt_with(framer_.position());
  }
  handle_line(text, std::move(value), ticket);
  if (!answered) output.dealt_with(framer_.position());
}

void Server::Impl::handle_line(std::string_view text, Result<Json>&& value, Ticket ticket) {
  if (value.ok()) {
    Json message = value.take();
    if (message.is_array() && handshake_.knows_batches()) {
      handle_batch(std::move(message), text.size(), ticket);
    } else {
      handle_message(std::move(message), {{}, {}, nullptr, text.size(), ticket});
    }
  } else if (value.error().code == ErrorCode::LimitReached) {
    responder_.error({find_id(text, text), {}, nullptr, 0, ticket},
                     too_large(value.error().message));
  } else {
    responder_.error({{}, {}, nullptr, 0, ticket}, parse_error(value.error().message));
  }
}

void Server::Impl::overlong_line(std::string_view beginning, std::string_view end) {
  const Ticket ticket = responder_.output().keep(beginning, framer_.position());
  responder_.output().dealt_with(framer_.position());
  responder_.error({find_id(beginning, end), {}, nullptr, 0, ticket},
                   too_large(fmt::format("its line is longer than {} bytes", bounds_.line_bytes)));
}

// A line out of its turn can only be a notification: a request is served when its turn comes.
void Server::Impl::receive_early(std::string_view line) {
  Result<Json> value = parse_json(line);
  if (!value.ok() || !value.value().is_object()) return;
  const Message message = read_message(value.take());
  if (message.kind == Message::Kind::Notification) handle_notification(message);
}

// --- messages --------------------------------------------------------------------------------

void Server::Impl::handle_batch(Json&& messages, std::size_t bytes, Ticket ticket) {
  if (messages.empty()) {
    responder_.error({{}, {}, nullptr, 0, ticket},
                     invalid_request("Invalid request: the batch is empty. Put at least one "
                                     "message into it, or send messages one by one."));
    return;
  }
  const auto batch = std::make_shared<Batch>(responder_.output(), ticket);
  for (Json& message : messages) {
    handle_message(std::move(message), {{}, {}, batch, bytes / messages.size(), ticket});
  }
}

void Server::Impl::handle_message(Json&& value, Recipient&& from) {
  Message message = read_message(std::move(value));
  from.id = std::move(message.id);
  switch (message.kind) {
    case Message::Kind::Request:
      return handle_request(
          {std::move(from), std::move(message.method), std::move(message.params)});
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

void Server::Impl::handle_request(Request&& request) {
  if (in_flight_.contains(request.from.id)) {
    responder_.error(request.from, duplicate_id(request.from.id));
  } else if (carries_modern_meta(request.params)) {
    handle_modern_request(std::move(request));
  } else {
    handle_handshake_request(std::move(request));
  }
}

void Server::Impl::handle_modern_request(Request&& request) {
  ContextOrError context = read_modern_context(request.params);
  if (const auto* error = std::get_if<RpcError>(&context)) {
    responder_.error(request.from, *error);
    return;
  }
  request.from.context = std::move(std::get<RequestContext>(context));
  const Method* method = find_method(request.method);
  if (method == nullptr || method->era == Era::Handshake) {
    responder_.error(request.from, unknown_method(request.method));
    return;
  }
  (this->*method->serve)(std::move(request));
}

void Server::Impl::handle_handshake_request(Request&& request) {
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
void Server::Impl::handle_notification(const Message& message) {
  if (message.method == "notifications/cancelled") {
    cancel(message.params);
  } else if (message.method == "notifications/initialized") {
    handshake_.confirm();
    protocol_changed();
  }
}

// Unknown, finished and malformed ids are ignored (PROTOCOL: CAN-1).
void Server::Impl::cancel(const Json& params) {
  const auto member = params.find("requestId");
  if (member == params.end()) return;
  const std::optional<RequestId> id = RequestId::from(*member);
  if (!id) return;
  const std::shared_ptr<PendingRequest> request = in_flight_.take(*id);
  if (!request) return;
  std::erase_if(subscriptions_, [&id](const Subscription& each) { return each.id == *id; });
  request->cancel();
  forget(request->from);
  end_subscriptions_if_over();
}

const Server::Impl::Method* Server::Impl::find_method(std::string_view name) {
  static constexpr std::array<Method, 12> kMethods = {{
      {"tools/call", &Impl::call_tool, Era::Both},
      {"tools/list", &Impl::list_tools, Era::Both},
      {"resources/read", &Impl::read_resource, Era::Both},
      {"resources/list", &Impl::list_resources, Era::Both},
      {"resources/templates/list", &Impl::list_templates, Era::Both},
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

void Server::Impl::resource_updated(std::string_view uri) {
  if (!has_subscriber(uri)) return;
  std::string member = R"("uri":)";
  append_json_string(member, uri);
  constexpr std::string_view kMethod = "notifications/resources/updated";
  if (handshake_.subscribed_uris.contains(uri)) {
    responder_.notification(nullptr, kMethod, '{' + member + '}');
  }
  for (const Subscription& each : subscriptions_) {
    if (each.filter.uris.contains(uri)) {
      responder_.notification(&each.id, kMethod, subscription_params(each, member));
    }
  }
}

bool Server::Impl::has_subscriber(std::string_view uri) const {
  return handshake_.subscribed_uris.contains(uri) ||
         std::any_of(subscriptions_.begin(), subscriptions_.end(),
                     [uri](const Subscription& each) { return each.filter.uris.contains(uri); });
}

void Server::Impl::list_changed(std::string_view method, bool SubscriptionFilter::*wanted) {
  if (handshake_.is_confirmed()) responder_.notification(nullptr, method, {});
  for (const Subscription& each : subscriptions_) {
    if (each.filter.*wanted) {
      responder_.notification(&each.id, method, subscription_params(each, {}));
    }
  }
}

void Server::Impl::log(LogLevel level, std::string_view logger, const Json& data) {
  if (handshake_.log_level && level >= *handshake_.log_level) {
    notify_log(nullptr, level, logger, data);
  }
}

void Server::Impl::notify_log(const RequestId* about, LogLevel level, std::string_view logger,
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

void Server::Impl::notify_progress(const Recipient& from, double progress,
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
void Server::Impl::end_subscriptions_if_over() {
  if (!ended_ || in_flight_.size() > subscriptions_.size()) return;
  for (const Subscription& each : std::exchange(subscriptions_, {})) {
    const std::shared_ptr<PendingRequest> request = in_flight_.take(each.id);
    responder_.subscription_result(request->from);
  }
}

// --- the public face -------------------------------------------------------------------------

Server::Server(ServerInfo info, ToolCatalog& tools, ResourceCatalog& resources, Output& output,
               ServerBounds bounds)
    : impl_(std::make_unique<Impl>(std::move(info), tools, resources, output, bounds)) {}

Server::~Server() = default;

void Server::resume(Continuation&& from) { impl_->resume(std::move(from)); }
void Server::receive_early(std::string_view line) { impl_->receive_early(line); }
void Server::receive(std::string_view bytes) { impl_->receive(bytes); }
void Server::receive_end() { impl_->receive_end(); }
std::size_t Server::in_flight() const { return impl_->in_flight(); }
std::size_t Server::waiting() const { return impl_->waiting(); }
void Server::resource_updated(std::string_view uri) { impl_->resource_updated(uri); }
bool Server::has_subscriber(std::string_view uri) const { return impl_->has_subscriber(uri); }

void Server::resources_list_changed() {
  impl_->list_changed("notifications/resources/list_changed",
                      &SubscriptionFilter::resources_list_changed);
}

void Server::tools_list_changed() {
  impl_->list_changed("notifications/tools/list_changed", &SubscriptionFilter::tools_list_changed);
}

void Server::log(LogLevel level, std::string_view logger, const Json& data) {
  impl_->log(level, logger, data);
}

}  // namespace pyember::mcp
