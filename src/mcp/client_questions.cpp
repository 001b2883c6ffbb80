#include <fmt/format.h>

#include <utility>

#include "base/limits.h"
#include "base/utf8.h"
#include "mcp/client.h"
#include "mcp/json_members.h"
#include "mcp/json_rpc.h"

// What servers ask. In the modern era a request is answered with what its server wants to know
// first, and is sent again with that (PROTOCOL: MRTR); in the handshake era the server sends
// requests of its own. The owner sees no difference: it is asked, and answers.
namespace pyember::mcp {
namespace {

constexpr std::size_t kShownBytes = 200;

std::string wanted_input(const Json& requests) {
  std::string methods;
  for (const auto& [key, request] : requests.items()) {
    const std::string method = text_in(request, "method");
    if (methods.find(method) != std::string::npos) continue;
    methods += (methods.empty() ? "" : ", ") + method;
    if (methods.size() > kShownBytes) break;
  }
  return std::string(utf8::head(methods, kShownBytes));
}

Json params_of(const Json& request) {
  const auto params = request.is_object() ? request.find("params") : request.end();
  return params != request.end() && params->is_object() ? *params : Json::object();
}

ClientAnswer refusal(std::string why) {
  return {nullptr, ClientError{ClientError::Kind::Protocol, std::move(why), 0, nullptr}};
}

}  // namespace

bool Client::declared(std::string_view method, const Json& params) const {
  const auto has = [this](const char* name) {
    const auto found = settings_.capabilities.find(name);
    return found != settings_.capabilities.end() && found->is_object();
  };
  if (method == "sampling/createMessage") return has("sampling");
  if (method == "roots/list") return has("roots");
  if (method != "elicitation/create" || !has("elicitation")) return false;
  const Json& modes = settings_.capabilities["elicitation"];
  if (text_in(params, "mode") == "url") return modes.contains("url");
  return modes.empty() || modes.contains("form");  // none named: forms only
}

// `request` is changed for its next round: nullopt, and with `inputs` when it has to wait for them.
std::optional<ClientAnswer> Client::take_inputs(Json result, Request& request) {
  request.params.erase("requestState");
  request.params.erase("inputResponses");
  if (const auto state = result.find("requestState"); state != result.end()) {
    request.params["requestState"] = std::move(*state);
  }
  const auto inputs = result.find("inputRequests");
  if (inputs == result.end() || inputs->empty()) return std::nullopt;
  if (!inputs->is_object() || inputs->size() > limits::kUpstreamQuestions) {
    return refusal("it asks for input in the middle of the request in a way that is none");
  }
  for (const auto& [key, input] : inputs->items()) {
    if (declared(text_in(input, "method"), params_of(input))) continue;
    return refusal(
        fmt::format("it asks for input in the middle of the request ({}), which can't be "
                    "given from here",
                    wanted_input(*inputs)));
  }
  request.inputs = std::move(*inputs);
  return std::nullopt;
}

void Client::interrupt(Request request) {
  const std::int64_t handle = request.handle;
  const Json inputs = std::exchange(request.inputs, {});
  std::vector<ClientAsked> asked;
  for (const auto& [key, input] : inputs.items()) {
    questions_[++last_question_] = {handle, key, {}};
    asked.push_back({last_question_, handle, text_in(input, "method"), params_of(input)});
  }
  interrupted_[handle] = {std::move(request), Json::object(), asked.size()};
  for (ClientAsked& each : asked) {
    // Answers to those before may have ended the request.
    if (questions_.contains(each.question)) owner_.client_is_asked(std::move(each));
  }
}

void Client::answer_question(std::int64_t number, ClientAnswer answer) {
  const auto found = questions_.find(number);
  if (found == questions_.end()) return;
  const Question question = std::move(found->second);
  questions_.erase(found);
  if (!question.asked_as.empty()) {
    answer_request(question.asked_as, std::move(answer));
    return;
  }
  Interrupted& interrupted = interrupted_.at(question.handle);
  if (answer.error) {
    const Done done = std::move(interrupted.request.done);
    interrupted_.erase(question.handle);
    drop_questions(question.handle);
    done(std::move(answer));
    return;
  }
  interrupted.responses[question.key] = std::move(answer.result);
  if (--interrupted.missing == 0) go_on(question.handle);
}

void Client::go_on(std::int64_t handle) {
  Interrupted interrupted = std::move(interrupted_.extract(handle).mapped());
  interrupted.request.params["inputResponses"] = std::move(interrupted.responses);
  send_again(std::move(interrupted.request));
}

// Of an interrupted request; 0: the server's own requests.
void Client::drop_questions(std::int64_t handle) {
  std::vector<std::int64_t> dropped;
  for (const auto& [number, question] : questions_) {
    if (question.handle == handle) dropped.push_back(number);
  }
  for (const std::int64_t number : dropped) {
    if (questions_.erase(number) != 0) owner_.client_is_asked_no_more(number);
  }
}

void Client::take_question(const std::string& method, Json params, const RequestId& id) {
  if (questions_.size() >= limits::kUpstreamQuestions) {
    answer_request(id, refusal(fmt::format("{} questions wait for answers already. Ask again when "
                                           "one of them has been answered.",
                                           questions_.size())));
    return;
  }
  questions_[++last_question_] = {0, {}, id};
  owner_.client_is_asked({last_question_, 0, method, std::move(params)});
}

void Client::take_back_question(const Json& id) {
  const std::optional<RequestId> known = RequestId::from(id);
  if (!known) return;
  for (const auto& [number, question] : questions_) {
    if (question.asked_as.empty() || question.asked_as.text() != known->text()) continue;
    const std::int64_t dropped = number;
    questions_.erase(dropped);
    owner_.client_is_asked_no_more(dropped);
    return;
  }
}

void Client::answer_request(const RequestId& id, ClientAnswer answer) {
  OutgoingMessage message;
  message.protocol_version = to_string(version_);
  if (!answer.error) {
    message.text = R"({"jsonrpc":"2.0","id":)" + id.text() + R"(,"result":)" +
                   to_json_text(answer.result) + "}";
  } else {
    const bool has_code = answer.error->kind == ClientError::Kind::Rpc && answer.error->code != 0;
    const Json error{
        {"code", has_code ? answer.error->code : static_cast<int>(RpcCode::InternalError)},
        {"message", answer.error->message}};
    message.text =
        R"({"jsonrpc":"2.0","id":)" + id.text() + R"(,"error":)" + to_json_text(error) + "}";
  }
  owner_.client_sends(std::move(message));
}

}  // namespace pyember::mcp
