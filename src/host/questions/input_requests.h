#pragma once

#include <string>

#include "base/result.h"
#include "mcp/json.h"
#include "mcp/question.h"

// What code, or an MCP server behind this one, wants a client to be asked: checked, because either
// may write anything. Errors say in a clause what is wrong.
namespace pyember::host {

// `message` as the person sees it; `fields` has `schema` (a form), or `url`.
Result<mcp::InputRequest> person_asked(std::string message, const mcp::Json& fields);

// The params of sampling/createMessage.
Result<mcp::InputRequest> model_asked(const mcp::Json& request);

// An answer in the protocol's form: an ElicitResult, a CreateMessageResult, a ListRootsResult.
mcp::Json as_result(mcp::Answer answer, mcp::InputRequest::Kind kind);

}  // namespace pyember::host
