#include "mcp/question.h"

#include "base/limits.h"
#include "mcp/client_capabilities.h"
#include "mcp/form.h"

#include <fmt/format.h>

#include <utility>

namespace pyember::mcp {
namespace {

Error unusable(const std::string& why) {
  return {ErrorCode::InvalidArgument,
          fmt::format("The question got no answer that can be used, because {}. Ask again, with a "
                      "client that answers as the question says.",
                      why)};
}

const Json* member(const Json& object, std::string_view name) {
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

bool has_text(const Json& object, std::string_view name) {
  const Json* found = object.is_object() ? member(object, name) : nullptr;
  return found != nullptr && found->is_string();
}

// An ElicitResult.
Result<Answer> read_elicitation(const Json& result, const InputRequest& request) {
  if (!has_text(result, "action")) return unusable("the client's result has no action");
  const auto& word = result["action"].get_ref<const std::string&>();
  if (word == "decline") return Answer{Answer::Action::Decline};
  if (word == "cancel") return Answer{Answer::Action::Cancel};
  if (word != "accept") return unusable("the client's action is none of accept, decline, cancel");
  Answer answer{Answer::Action::Accept};
  if (request.kind == InputRequest::Kind::Url) return answer;
  if (const Json* content = member(result, "content"); content != nullptr && !content->is_null()) {
    answer.content = *content;
  }
  if (const auto mistake = form_mistake(request.requested_schema, answer.content)) {
    return unusable("its content doesn't fit the form: " + *mistake);
  }
  answer.content = fields_of_form(request.requested_schema, std::move(answer.content));
  return answer;
}

// A CreateMessageResult: what it may hold besides is its model's business.
Result<Answer> read_message_of_model(const Json& result) {
  const Json* content = member(result, "content");
  const bool blocks = content != nullptr && (has_text(*content, "type") || content->is_array());
  if (!blocks || !has_text(result, "role") || !has_text(result, "model")) {
    return unusable("the client's result is no message of a model");
  }
  Answer answer{Answer::Action::Accept};
  for (const char* name : {"role", "content", "model", "stopReason"}) {
    if (const Json* found = member(result, name)) answer.content[name] = *found;
  }
  return answer;
}

Result<Answer> read_roots(const Json& result) {
  const Json* roots = member(result, "roots");
  if (roots == nullptr || !roots->is_array() || roots->size() > limits::kMaximumRoots) {
    return unusable("the client's result is no list of roots, or a very long one");
  }
  Answer answer{Answer::Action::Accept};
  answer.content["roots"] = Json::array();
  for (const Json& each : *roots) {
    if (!has_text(each, "uri")) return unusable("one of the client's roots has no uri");
    Json root = {{"uri", each["uri"]}};
    if (has_text(each, "name")) root["name"] = each["name"];
    answer.content["roots"].push_back(std::move(root));
  }
  return answer;
}

}  // namespace

InputRequest InputRequest::address(std::string message, std::string url) {
  InputRequest request;
  request.message = std::move(message);
  request.kind = Kind::Url;
  request.url = std::move(url);
  return request;
}

InputRequest InputRequest::sampling(Json params) {
  InputRequest request;
  request.kind = Kind::Sampling;
  request.params = std::move(params);
  return request;
}

InputRequest InputRequest::roots() {
  InputRequest request;
  request.kind = Kind::Roots;
  return request;
}

std::string_view method_of(InputRequest::Kind kind) {
  switch (kind) {
    case InputRequest::Kind::Sampling:
      return "sampling/createMessage";
    case InputRequest::Kind::Roots:
      return "roots/list";
    default:
      return "elicitation/create";
  }
}

bool can_be_asked(const ClientCapabilities& client, InputRequest::Kind kind) {
  switch (kind) {
    case InputRequest::Kind::Form:
      return client.forms;
    case InputRequest::Kind::Url:
      return client.urls;
    case InputRequest::Kind::Sampling:
      return client.sampling;
    case InputRequest::Kind::Roots:
      return client.roots;
  }
  return false;
}

Result<Answer> read_answer(const Json& result, const InputRequest& request) {
  if (!result.is_object()) return unusable("the client's result is not an object");
  switch (request.kind) {
    case InputRequest::Kind::Sampling:
      return read_message_of_model(result);
    case InputRequest::Kind::Roots:
      return read_roots(result);
    default:
      return read_elicitation(result, request);
  }
}

}  // namespace pyember::mcp
