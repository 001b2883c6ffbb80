#include "mcp/http/messages.h"

namespace pyember::mcp {
namespace {

const Json* member(const Json& message, std::string_view name) {
  if (!message.is_object()) return nullptr;
  const auto found = message.find(name);
  return found == message.end() ? nullptr : &*found;
}

}  // namespace

std::string_view method_of(const Json& message) {
  const Json* method = member(message, "method");
  if (method == nullptr || !method->is_string()) return {};
  return method->get_ref<const std::string&>();
}

RequestId id_of(const Json& message) {
  const Json* id = member(message, "id");
  return id == nullptr ? RequestId() : RequestId::from(*id).value_or(RequestId());
}

bool is_notification(const Json& message) {
  return !method_of(message).empty() && member(message, "id") == nullptr;
}

bool is_answer(const Json& message) {
  return member(message, "method") == nullptr &&
         (member(message, "result") != nullptr || member(message, "error") != nullptr);
}

RequestId id_of_request(const Json& message) {
  return member(message, "method") == nullptr ? RequestId() : id_of(message);
}

RequestId cancelled_by(const Json& message) {
  if (method_of(message) != "notifications/cancelled" || !is_notification(message)) return {};
  const Json* version = member(message, "jsonrpc");
  const Json* params = member(message, "params");
  if (version == nullptr || *version != "2.0" || params == nullptr) return {};
  const Json* id = member(*params, "requestId");
  return id == nullptr ? RequestId() : RequestId::from(*id).value_or(RequestId());
}

}  // namespace pyember::mcp
