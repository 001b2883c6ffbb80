#pragma once

#include "base/result.h"
#include "mcp/json.h"

#include <optional>
#include <string>

namespace pyember::mcp {

// The forms by which people are asked (PROTOCOL: ELI-1): flat objects whose fields are texts,
// numbers, yes or no, one choice of several, or several of them. Clients know nothing else.

// The form that a schema describes, which anybody may have written: the same with nothing in it
// that a client would not know. The error says in a sentence which part is no form's. Bounds:
// kFormBytes, kFormFields, kFormChoices.
Result<Json> read_form(const Json& schema);

// What is wrong with what a client says was filled in, in a sentence; nullopt: it fits. Of fields
// that the form does not have nothing is said.
std::optional<std::string> form_mistake(const Json& form, const Json& content);

// The content's fields that the form has.
Json fields_of_form(const Json& form, Json content);

}  // namespace pyember::mcp
