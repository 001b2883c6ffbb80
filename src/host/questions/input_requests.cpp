#include "host/questions/input_requests.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/limits.h"
#include "mcp/form.h"
#include "mcp/json_members.h"

namespace pyember::host {

using mcp::InputRequest;
using mcp::Json;
using mcp::text_in;

namespace {

Error mistake(std::string why) { return {ErrorCode::InvalidArgument, std::move(why)}; }

// An address that a person may be led to.
bool is_address(std::string_view url) {
  const bool web = url.starts_with("https://") || url.starts_with("http://");
  const std::string_view host = web ? url.substr(url.find("//") + 2) : std::string_view();
  const std::string_view authority = host.substr(0, host.find_first_of("/?#"));
  return !authority.empty() && url.size() <= limits::kMaximumUriBytes &&
         authority.find('@') == std::string_view::npos &&
         std::all_of(url.begin(), url.end(), [](char each) { return each > ' ' && each < 0x7f; });
}

bool is_block(const Json& content) {
  return content.is_object() && content.contains("type") && content["type"].is_string();
}

bool is_message(const Json& message) {
  if (!message.is_object() || !message.contains("content")) return false;
  const std::string role = text_in(message, "role");
  const Json& content = message["content"];
  return (role == "user" || role == "assistant") &&
         (is_block(content) ||
          (content.is_array() && std::all_of(content.begin(), content.end(), is_block)));
}

// What a sampling request may say besides its messages and maxTokens.
bool is_sampling_option(const std::string& name, const Json& value) {
  if (name == "systemPrompt") return value.is_string();
  if (name == "temperature") return value.is_number();
  if (name == "modelPreferences" || name == "metadata") return value.is_object();
  return name == "stopSequences" && value.is_array() &&
         std::all_of(value.begin(), value.end(), [](const Json& each) { return each.is_string(); });
}

}  // namespace

Result<InputRequest> person_asked(std::string message, const Json& fields) {
  if (message.size() > limits::kQuestionTextBytes) {
    return mistake(fmt::format("the question has {} bytes, and {} are the most that are shown",
                               message.size(), limits::kQuestionTextBytes));
  }
  if (std::string url = text_in(fields, "url"); !url.empty()) {
    if (!is_address(url)) {
      return mistake(
          "the url is no address that a person can be led to: it begins with https:// or http://, "
          "has a host, and names nobody");
    }
    return InputRequest::address(std::move(message), std::move(url));
  }
  const auto schema = fields.find("schema");
  Result<Json> form = mcp::read_form(schema != fields.end() ? *schema : Json());
  if (!form) return form.error();
  return InputRequest{std::move(message), form.take()};
}

Result<InputRequest> model_asked(const Json& request) {
  if (!request.is_object()) return mistake("there is no request");
  const auto messages = request.find("messages");
  if (messages == request.end() || !messages->is_array() || messages->empty() ||
      !std::all_of(messages->begin(), messages->end(), is_message)) {
    return mistake("messages must be a list of {role, content}, of the roles user and assistant");
  }
  const auto most = request.find("maxTokens");
  if (most == request.end() || !most->is_number_unsigned() || *most == Json(0u)) {
    return mistake("max_tokens must be a whole number above 0");
  }
  for (const auto& [name, value] : request.items()) {
    if (name == "messages" || name == "maxTokens" || is_sampling_option(name, value)) continue;
    return mistake(fmt::format("a request to a model has no {}, or not with that value", name));
  }
  const std::size_t size = mcp::to_json_text(request).size();
  if (size > limits::kSamplingBytes) {
    return mistake(
        fmt::format("the request has {} bytes, and {} are the most", size, limits::kSamplingBytes));
  }
  return InputRequest::sampling(request);
}

Json as_result(mcp::Answer answer, InputRequest::Kind kind) {
  const bool of_person = kind == InputRequest::Kind::Form || kind == InputRequest::Kind::Url;
  if (!of_person) return std::move(answer.content);
  constexpr std::array kWords = {"accept", "decline", "cancel"};
  return {{"action", kWords.at(static_cast<std::size_t>(answer.action))},
          {"content", std::move(answer.content)}};
}

}  // namespace pyember::host
