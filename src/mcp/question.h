#pragma once

#include "base/result.h"
#include "mcp/json.h"

#include <functional>
#include <string>
#include <string_view>

namespace pyember::mcp {

struct ClientCapabilities;

// What a call asks of its client: of the person behind it, of the model it talks to, or of itself.
// Which of these a client can do it declares.
struct InputRequest {
  enum class Kind {
    Form,      // a form is shown to a person (elicitation)
    Url,       // a person is asked to open an address; Accept is consent, not completion
    Sampling,  // a model answers
    Roots,     // the folders that the client works in
  };

  std::string message;  // of Form and Url: what is asked, and who wants it why; never for secrets
  // Of Form: a flat object (PROTOCOL: ELI-1); without properties it is answered by accepting or
  // declining.
  Json requested_schema = Json::object();
  Kind kind = Kind::Form;
  std::string url = {};          // of Url: absolute, with nothing of the person's in it
  Json params = Json::object();  // of Sampling: those of sampling/createMessage
  // By which the modern era tells the call's questions apart, each used once in a call; empty: one
  // is made.
  std::string key = {};

  static InputRequest address(std::string message, std::string url);
  static InputRequest sampling(Json params);
  static InputRequest roots();
};

// The method that asks it of a client, and whether one with these capabilities can be asked.
std::string_view method_of(InputRequest::Kind kind);
bool can_be_asked(const ClientCapabilities& client, InputRequest::Kind kind);

// The answer. Only a person says anything but Accept.
struct Answer {
  enum class Action {
    Accept,   // answered
    Decline,  // said no
    Cancel,   // closed it without saying either
  };
  Action action = Action::Cancel;
  // Of Accept: fields that fit the requested schema; the model's message {role, content, model,
  // stopReason?}; {roots: [{uri, name?}]}; nothing for an address.
  Json content = Json::object();
};

// The error: nobody could be asked, or the answer can't be used; its message has three parts.
using WhenAnswered = std::function<void(Result<Answer>)>;

// The answer in a result that a client wrote. The error says what is wrong with it.
Result<Answer> read_answer(const Json& result, const InputRequest& request);

}  // namespace pyember::mcp
