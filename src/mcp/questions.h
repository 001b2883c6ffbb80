#pragma once

#include "mcp/json.h"
#include "mcp/tool.h"

#include <functional>
#include <string>

// Internal to the server's sources: a call's questions as the modern era writes them.
namespace pyember::mcp {

// The members of inputRequests, without braces: the questions that the client has already, and as
// many more as may be shown at a time, which count as sent from now on.
std::string input_requests(ToolCall& call);

// Gives the call the answers of inputResponses (whatever a client sent as that) that fit their
// questions; the others stay open. An answer may end the call, which is then not looked at any
// more: `over` says whether it has.
void take_answers(ToolCall& call, const Json& responses, const std::function<bool()>& over);

}  // namespace pyember::mcp
