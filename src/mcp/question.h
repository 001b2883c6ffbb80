#pragma once

#include "base/result.h"
#include "mcp/json.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace pyember::mcp {

// A question to the person behind a client (elicitation), shown as a form.
struct Question {
  std::string message;  // what is asked, and who wants it why; never for secrets
  // A flat object (PROTOCOL: ELI-1); without properties it is answered by accepting or declining.
  Json requested_schema;
};

// What the person did with it.
struct Answer {
  enum class Action {
    Accept,   // answered
    Decline,  // said no
    Cancel,   // closed it without saying either
  };
  Action action = Action::Cancel;
  Json content = Json::object();  // of Accept: fits the requested schema
};

// The error: nobody could be asked, or the answer can't be used; its message has three parts.
using WhenAnswered = std::function<void(Result<Answer>)>;

// The answer in an ElicitResult, which a client wrote. The error says what is wrong with it.
Result<Answer> read_answer(const Json& result, const Json& requested_schema);

}  // namespace pyember::mcp
