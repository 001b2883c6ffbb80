#include "mcp/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "mcp/json_members.h"
#include "mcp/json_rpc.h"

// Requests and what comes back. How a connection begins is in client_handshake.cpp, lists that come
// in pages are in client_lists.cpp, what servers ask is in client_questions.cpp.
namespace pyember::mcp {
namespace {

constexpr std::size_t kMaximumDepth = 128;
constexpr std::size_t kErrorTextBytes = 4096;  // of what a server says about an error
constexpr std::size_t kBatchSize = 1024;
constexpr int kHeaderMismatch = -32020;
// W3C trace context: the only keys of a caller's _meta that are passed on.
constexpr std::array<std::string_view, 3> kTraceKeys = {"traceparent", "tracestate", "baggage"};

const JsonBounds& bounds() {
  static const JsonBounds kBounds{kMaximumDepth, limits::kUpstreamJsonMembers,
                                  limits::kUpstreamJsonValues};
  return kBounds;
}

std::string bounded(std::string text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  text.resize(utf8::valid_prefix(std::string_view(text).substr(0, bytes)));
  return text + "…";
}

ClientAnswer failed(ClientError::Kind kind, std::string message) {
  return {nullptr, ClientError{kind, std::move(message), 0, nullptr}};
}

ClientError rpc_error(Json& error) {
  ClientError found{ClientError::Kind::Rpc, {}, 0, nullptr};
  if (!error.is_object()) {
    found.message = "(it sent an error that is no object)";
    return found;
  }
  found.message = bounded(text_in(error, "message"), kErrorTextBytes);
  const double code = number_in(error, "code");
  if (code >= std::numeric_limits<int>::min() && code <= std::numeric_limits<int>::max()) {
    found.code = static_cast<int>(code);
  }
  if (const auto data = error.find("data"); data != error.end()) found.data = std::move(*data);
  return found;
}

bool may_ask_for_input(std::string_view method) {
  return method == "tools/call" || method == "prompts/get" || method == "resources/read";
}

std::string name_of(std::string_view method, const Json& params) {
  if (method == "tools/call" || method == "prompts/get") return text_in(params, "name");
  if (method == "resources/read") return text_in(params, "uri");
  return {};
}

Json trace_of(Json& params) {
  Json kept = Json::object();
  const auto meta = params.find("_meta");
  if (meta == params.end()) return kept;
  for (const std::string_view key : kTraceKeys) {
    if (std::string text = text_in(*meta, key); !text.empty()) kept[key] = std::move(text);
  }
  params.erase(meta);
  return kept;
}

// {"a":1} and "b":2 make {"a":1,"b":2}
void append_member(std::string& object, std::string_view name, std::string_view value) {
  object.pop_back();
  if (object.back() != '{') object += ',';
  append_json_string(object, name);
  object += ':';
  object += value;
  object += '}';
}

}  // namespace

Client::Client(ClientSettings settings, Owner& owner)
    : settings_(std::move(settings)), owner_(owner) {}

bool Client::offers(std::string_view capability) const {
  const auto found = capabilities_.find(capability);
  return found != capabilities_.end() && found->is_object();
}

std::int64_t Client::request(std::string method, Json params, Done done, Progress progress) {
  CHECK(ready());
  Request request;
  request.done = std::move(done);
  request.progress = std::move(progress);
  return send(std::move(method), std::move(params), std::move(request));
}

std::int64_t Client::send(std::string method, Json params, Request request) {
  request.method = std::move(method);
  request.params = params.is_object() ? std::move(params) : Json::object();
  if (const Json trace = trace_of(request.params); !trace.empty()) request.params["_meta"] = trace;
  const std::int64_t id = ++last_id_;
  if (request.handle == 0) request.handle = id;
  const Request& kept = requests_.emplace(id, std::move(request)).first->second;
  write(id, kept);
  return id;
}

void Client::write(std::int64_t id, const Request& request) {
  OutgoingMessage message;
  message.text = request_text(id, request);
  message.method = request.method;
  message.id = id;
  message.modern = is_modern(version_);
  if (state_ != State::Initializing) message.protocol_version = to_string(version_);
  if (settings_.over_http) {
    message.name = name_of(request.method, request.params);
    const auto headers = headers_of_tools_.find(message.name);
    if (message.modern && request.method == "tools/call" && headers != headers_of_tools_.end()) {
      const auto arguments = request.params.find("arguments");
      if (arguments != request.params.end()) {
        message.parameter_headers = header_values(headers->second, *arguments);
      }
    }
  }
  owner_.client_sends(std::move(message));
}

std::string Client::request_text(std::int64_t id, const Request& request) const {
  const std::string number = std::to_string(id);
  std::string params = to_json_text(request.params);
  const bool traced = request.params.contains("_meta");
  if (is_modern(version_) || request.progress || traced) {
    std::string meta = is_modern(version_) ? modern_meta_ : "{}";
    if (request.progress) append_member(meta, meta_key::kProgressToken, number);
    if (traced) {
      for (const auto& [key, value] : request.params["_meta"].items()) {
        append_member(meta, key, to_json_text(value));
      }
      Json bare = request.params;
      bare.erase("_meta");
      params = to_json_text(bare);
    }
    append_member(params, "_meta", meta);
  }
  std::string text = R"({"jsonrpc":"2.0","id":)";
  text.reserve(text.size() + params.size() + request.method.size() + 48);
  text += number;
  text += R"(,"method":)";
  append_json_string(text, request.method);
  text += R"(,"params":)";
  text += params;
  text += '}';
  return text;
}

void Client::notify(std::string_view method, Json params) {
  OutgoingMessage message;
  std::string text = to_json_text(params);
  if (is_modern(version_)) append_member(text, "_meta", modern_meta_);
  message.text = notification_line(method, text);
  if (message.text.ends_with('\n')) message.text.pop_back();
  message.method = method;
  message.protocol_version = to_string(version_);
  message.modern = is_modern(version_);
  owner_.client_sends(std::move(message));
}

void Client::cancel(std::int64_t handle) {
  std::erase_if(again_, [&](const Request& each) { return each.handle == handle; });
  auto found = requests_.find(handle);
  if (found == requests_.end()) {
    found = std::find_if(requests_.begin(), requests_.end(),
                         [&](const auto& each) { return each.second.handle == handle; });
  }
  // One that waits for answers is in no server's hands.
  if (interrupted_.erase(handle) != 0) drop_questions(handle);
  if (found == requests_.end()) return;
  const std::int64_t id = found->first;
  requests_.erase(found);
  // Over HTTP the modern era cancels by closing the answer's stream.
  if (!(settings_.over_http && is_modern(version_))) {
    notify("notifications/cancelled", Json{{"requestId", id}, {"reason", "not wanted any more"}});
  }
  owner_.client_abandons(id);
}

void Client::receive(std::string_view text) {
  if (state_ == State::Idle || state_ == State::Failed) return;
  received_bytes_ = text.size();
  Result<Json> parsed = parse_json(text, bounds());
  if (!parsed) {
    handle_unreadable(text, parsed.error());
    return;
  }
  Json message = parsed.take();
  if (message.is_array() && knows_batches(version_) && message.size() <= kBatchSize) {
    for (Json& each : message) handle(std::move(each));
  } else {
    handle(std::move(message));
  }
}

void Client::handle_unreadable(std::string_view text, const Error& error) {
  const RequestId id =
      error.code == ErrorCode::LimitReached
          ? find_id(text.substr(0, 4096), text.substr(text.size() > 4096 ? text.size() - 4096 : 0))
          : RequestId();
  for (const auto& [known, request] : requests_) {
    if (!id.empty() && id.text() == std::to_string(known)) {
      finish(known, failed(ClientError::Kind::TooLarge, error.message));
      return;
    }
  }
  owner_.client_cannot_read(text);
}

void Client::handle(Json message) {
  if (!message.is_object()) {
    owner_.client_cannot_read(to_json_text(message));
    return;
  }
  const auto method = message.find("method");
  const auto id = message.find("id");
  if (method != message.end() && method->is_string()) {
    const auto params = message.find("params");
    const Json empty = Json::object();
    if (id != message.end()) {
      handle_server_request(method->get_ref<const std::string&>(), *id,
                            params != message.end() && params->is_object() ? *params : empty);
    } else {
      handle_notification(method->get_ref<const std::string&>(),
                          params != message.end() && params->is_object() ? *params : empty);
    }
  } else if (id != message.end() && id->is_number_integer()) {
    handle_response(message, id->get<std::int64_t>());
  } else {
    owner_.client_cannot_read(to_json_text(message));
  }
}

void Client::handle_response(Json& message, std::int64_t id) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) {
    // The probe's answer, when we have begun with an initialize in the meantime.
    const auto result = message.find("result");
    if (id == probe_id_ && state_ == State::Initializing && result != message.end()) {
      late_discovery_ = std::move(*result);
    }
    return;
  }
  if (std::optional<ClientAnswer> answer = answer_of(message, found->second)) {
    finish(id, std::move(*answer));
    return;
  }
  Request request = std::move(found->second);
  requests_.erase(found);
  if (request.inputs.empty()) {
    send_again(std::move(request));
  } else {
    interrupt(std::move(request));
  }
}

// Under another id.
void Client::send_again(Request request) {
  std::string method = std::exchange(request.method, {});
  Json params = std::exchange(request.params, {});
  send(std::move(method), std::move(params), std::move(request));
}

// nullopt: `request` has been changed and is to be sent again.
std::optional<ClientAnswer> Client::answer_of(Json& message, Request& request) {
  if (const auto error = message.find("error"); error != message.end()) {
    return ClientAnswer{nullptr, rpc_error(*error)};
  }
  const auto result = message.find("result");
  if (result == message.end() || !result->is_object()) {
    return failed(ClientError::Kind::Protocol, "its answer has neither an error nor a result");
  }
  if (!is_modern(version_)) return ClientAnswer{std::move(*result), std::nullopt};
  return check_result(std::move(*result), request);
}

std::optional<ClientAnswer> Client::check_result(Json result, Request& request) {
  const auto type = result.find("resultType");
  if (type == result.end() || *type == "complete") {
    return ClientAnswer{std::move(result), std::nullopt};
  }
  if (*type != "input_required" || !may_ask_for_input(request.method)) {
    return failed(ClientError::Kind::Protocol,
                  fmt::format("its answer is of a kind that was not asked for ({})",
                              in_quotes(text_in(result, "resultType"))));
  }
  if (++request.rounds > limits::kUpstreamRounds) {
    return failed(ClientError::Kind::Protocol,
                  fmt::format("it asked for the same request {} times", request.rounds));
  }
  return take_inputs(std::move(result), request);
}

void Client::finish(std::int64_t id, ClientAnswer answer) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  Request request = std::move(found->second);
  requests_.erase(found);
  const bool headers_were_wrong = answer.error && answer.error->kind == ClientError::Kind::Rpc &&
                                  answer.error->code == kHeaderMismatch;
  if (headers_were_wrong && settings_.over_http && request.method == "tools/call" &&
      !request.sent_again && ready()) {
    retry_with_headers(std::move(request), std::move(answer));
    return;
  }
  request.done(std::move(answer));
}

void Client::request_failed(std::int64_t id, const Error& error) {
  const auto kind = error.code == ErrorCode::LimitReached ? ClientError::Kind::TooLarge
                                                          : ClientError::Kind::Transport;
  finish(id, failed(kind, error.message));
}

void Client::could_not_send(std::int64_t id) {
  finish(id, failed(ClientError::Kind::NotSent, "it does not read what it is sent"));
}

void Client::session_lost(std::int64_t id) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  if (found->second.sent_again || is_modern(version_) || state_ == State::Failed) {
    finish(id, failed(ClientError::Kind::Transport, "it does not know the session any more"));
    return;
  }
  found->second.sent_again = true;
  again_.push_back(std::move(found->second));
  requests_.erase(found);
  if (state_ == State::Ready) initialize();
}

void Client::handle_notification(const std::string& method, const Json& params) {
  if (method == "notifications/progress") {
    handle_progress(params);
  } else if (method == "notifications/tools/list_changed") {
    if (ready()) owner_.client_sees_tools_changed();
  } else if (method == "notifications/cancelled") {
    // In the modern era only the stream of changes is closed in this way.
    const auto id = params.find("requestId");
    if (id == params.end()) return;
    if (!is_modern(version_)) {
      take_back_question(*id);
    } else if (listen_id_ != 0 && *id == listen_id_) {
      finish(listen_id_, failed(ClientError::Kind::Transport, "it closed the stream of changes"));
    }
  }
}

void Client::handle_progress(const Json& params) {
  const auto token = params.find("progressToken");
  const auto done = params.find("progress");
  if (token == params.end() || !token->is_number_integer() || done == params.end() ||
      !done->is_number()) {
    return;
  }
  const auto found = requests_.find(token->get<std::int64_t>());
  if (found == requests_.end() || !found->second.progress) return;
  const auto total = params.find("total");
  std::optional<double> whole;
  if (total != params.end() && total->is_number()) whole = total->get<double>();
  const Progress report = found->second.progress;  // which may end the request
  report(done->get<double>(), whole,
         bounded(text_in(params, "message"), limits::kProgressMessageBytes));
}

// In the modern era servers have no requests, and answers to what they send all the same would be
// messages that they don't expect.
void Client::handle_server_request(const std::string& method, const Json& id, Json params) {
  const std::optional<RequestId> known = RequestId::from(id);
  if (!known || is_modern(version_)) return;
  if (method == "ping") {
    answer_request(*known, {Json::object(), std::nullopt});
  } else if (declared(method, params)) {
    take_question(method, std::move(params), *known);
  } else {
    ClientAnswer refusal =
        failed(ClientError::Kind::Rpc,
               fmt::format("Method {} is not known to this client: it declared no such "
                           "capability. Go on without it.",
                           in_quotes(method)));
    refusal.error->code = static_cast<int>(RpcCode::MethodNotFound);
    answer_request(*known, std::move(refusal));
  }
}

}  // namespace pyember::mcp
