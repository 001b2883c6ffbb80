#include "host/tools/tool_answer.h"

#include <fmt/format.h>

#include <utility>

#include "host/tools/markdown.h"

namespace pyember::host {

using mcp::Json;

namespace {

const char* class_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::NotFound:
      return "FileNotFoundError";
    case ErrorCode::InvalidArgument:
    case ErrorCode::LimitReached:
      return "ValueError";
    case ErrorCode::Unavailable:
    case ErrorCode::Internal:
      break;
  }
  return "OSError";
}

// Where the cause ends: at a line's end, else after the first sentence.
std::size_t end_of_cause(std::string_view message) {
  if (const std::size_t line = message.find('\n'); line != std::string_view::npos) return line;
  for (std::size_t at = 0; at + 2 < message.size(); ++at) {
    const bool upper = message[at + 2] >= 'A' && message[at + 2] <= 'Z';
    if (message[at] == '.' && message[at + 1] == ' ' && upper) return at + 1;
  }
  return message.size();
}

}  // namespace

ToolFault fault_of(const Error& error) {
  std::string message = error.message;
  std::string type = class_of(error.code);
  // An exception of the server's own Python names its class itself.
  const std::size_t colon = message.find("Error: ");
  if (colon != std::string::npos &&
      message.find(' ') == colon + std::string_view("Error:").size()) {
    type = message.substr(0, colon + std::string_view("Error").size());
    message.erase(0, colon + std::string_view("Error: ").size());
  }
  const std::size_t end = end_of_cause(message);
  ToolFault fault{std::move(type), message.substr(0, end), {}};
  if (end < message.size()) fault.fix = message.substr(end + 1);
  return fault;
}

AnswerForm answer_form_like(const mcp::ToolCall& call, AnswerForm form) {
  const auto given = call.arguments().find("markdown_output");
  form.markdown = given == call.arguments().end() || !given->is_boolean() || given->get<bool>();
  return form;
}

mcp::ToolResult tool_answer(const AnswerForm& form, Json structured, Renderer render) {
  mcp::ToolResult answer;
  answer.content.push_back(mcp::text_block(form.markdown ? render(form.title, structured)
                                                         : mcp::to_json_text(structured)));
  if (structured.is_array()) {
    answer.structured = Json::object();
    answer.structured["result"] = std::move(structured);
  } else {
    answer.structured = std::move(structured);
  }
  return answer;
}

mcp::ToolResult fault_answer(const AnswerForm& form, const ToolFault& fault) {
  const std::string cause =
      fmt::format("Error calling tool '{}': {}: {}", form.tool, fault.type, fault.cause);
  if (form.markdown) return mcp::tool_error(error_markdown(form.tool, cause, fault.fix));
  return mcp::tool_error(fault.fix.empty() ? cause : fmt::format("{}\nFix: {}", cause, fault.fix));
}

}  // namespace pyember::host
