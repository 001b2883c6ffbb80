#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "mcp/tool.h"

namespace pyember::host {

// Why a call was refused or could not be carried out, as the script executor's users know it: the
// class of the exception, one sentence of cause, and what to do next.
struct ToolFault {
  std::string type;  // FileNotFoundError, ValueError, OSError
  std::string cause;
  std::string fix;
};

// The code gives the class (NotFound: FileNotFoundError, InvalidArgument: ValueError, everything
// else: OSError). The first line of the message, or else its first sentence, is the cause; the rest
// the fix.
ToolFault fault_of(const Error& error);

// In which form one call wants its answer.
struct AnswerForm {
  std::string tool;      // as it is listed
  std::string title;     // for headings
  bool markdown = true;  // argument markdown_output
};

// The form that a call asks for, of a tool with this name and title.
AnswerForm answer_form_like(const mcp::ToolCall& call, AnswerForm form);

// Turns the structured answer into markdown; sees nothing else, so no fact stands in markdown only.
using Renderer = std::string (*)(const std::string& title, const mcp::Json& structured);

// structuredContent is `structured` in both forms. An array is wrapped as {"result": […]} there,
// because the protocol wants an object; as JSON text it stays bare.
mcp::ToolResult tool_answer(const AnswerForm& form, mcp::Json structured, Renderer render);

// "Error calling tool '<name>': <class>: <cause>" and the fix; isError.
mcp::ToolResult fault_answer(const AnswerForm& form, const ToolFault& fault);

}  // namespace pyember::host
