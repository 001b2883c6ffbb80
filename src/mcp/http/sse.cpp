#include "mcp/http/sse.h"

#include "base/limits.h"

#include <fmt/format.h>

namespace pyember::mcp {

std::string message_event(std::string_view message, std::string_view id) {
  constexpr std::string_view kType = "event: message\n";
  constexpr std::size_t kFieldNames = 16;
  std::string event;
  event.reserve(kType.size() + message.size() + id.size() + kFieldNames);
  event += kType;
  if (!id.empty()) {
    event += "id: ";
    event += id;
    event += '\n';
  }
  event += "data: ";
  event += message;
  event += "\n\n";
  return event;
}

std::string priming_event(std::string_view id) {
  return fmt::format("id: {}\nretry: {}\ndata: \n\n", id, limits::kServedEventRetry.count());
}

std::string comment() { return ":\n\n"; }

}  // namespace pyember::mcp
