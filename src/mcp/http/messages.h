#pragma once

#include "mcp/json.h"
#include "mcp/json_rpc.h"

#include <string_view>

// What is looked at in a message before it is handed to its connection, which reads it properly.
// Whatever the message is, these answer.
namespace pyember::mcp {

inline constexpr std::string_view kListen = "subscriptions/listen";
inline constexpr std::string_view kInitialize = "initialize";

std::string_view method_of(const Json& message);  // empty: it has none
RequestId id_of(const Json& message);             // empty: it has none that can be one
bool is_notification(const Json& message);        // a method and no id
bool is_answer(const Json& message);              // no method, but a result or an error
RequestId id_of_request(const Json& message);     // empty: it is none
RequestId cancelled_by(const Json& message);      // the request; empty: it cancels none

}  // namespace pyember::mcp
