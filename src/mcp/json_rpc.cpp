#include "mcp/json_rpc.h"

#include "base/limits.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <utility>

namespace pyember::mcp {
namespace {

// The members of a message that matter, wherever they stand.
struct Members {
  Json* version = nullptr;
  Json* id = nullptr;
  Json* method = nullptr;
  Json* params = nullptr;
  Json* result = nullptr;
  Json* failure = nullptr;
};

Members members_of(Json& value) {
  Members found;
  for (auto& [name, member] : value.get_ref<Json::object_t&>()) {
    if (name == "jsonrpc")
      found.version = &member;
    else if (name == "id")
      found.id = &member;
    else if (name == "method")
      found.method = &member;
    else if (name == "params")
      found.params = &member;
    else if (name == "result")
      found.result = &member;
    else if (name == "error")
      found.failure = &member;
  }
  return found;
}

Message invalid(RequestId id, RpcError error) {
  Message message;
  message.id = std::move(id);
  message.error = std::move(error);
  return message;
}

bool is_version_2(const Json* version) {
  return version != nullptr && version->is_string() &&
         version->get_ref<const std::string&>() == "2.0";
}

RpcError bad_id() {
  return invalid_request(fmt::format(
      "Invalid request: its id is neither a string nor an integer (or longer than {} bytes). Give "
      "each request an id of its own, such as 1 or \"a\".",
      limits::kMaximumIdBytes));
}

// Reads the JSON string or integer that follows `"id":` at `position`.
RequestId id_after(std::string_view text, std::size_t position) {
  position = text.find_first_not_of(" \t:", position);
  if (position == std::string_view::npos) return {};
  std::size_t end = position;
  if (text[position] == '"') {
    end = text.find('"', position + 1);  // an escaped quote gives a text that won't parse: no id
    if (end == std::string_view::npos) return {};
    ++end;
  } else {
    end = text.find_first_not_of("-0123456789", position);
    if (end == std::string_view::npos) return {};
  }
  const Result<Json> value = parse_json(text.substr(position, end - position));
  if (!value.ok()) return {};
  return RequestId::from(value.value()).value_or(RequestId());
}

}  // namespace

std::optional<RequestId> RequestId::from(const Json& value) {
  if (value.is_number_integer()) return RequestId(to_json_text(value));
  if (!value.is_string()) return std::nullopt;
  if (value.get_ref<const std::string&>().size() > limits::kMaximumIdBytes) return std::nullopt;
  return RequestId(to_json_text(value));
}

Message read_message(Json&& value) {
  if (!value.is_object()) {
    return invalid(
        {},
        invalid_request(fmt::format(
            "Invalid request: the message is a JSON {}, not an object. Send {{\"jsonrpc\":\"2.0\","
            "\"id\":…,\"method\":…,\"params\":{{…}}}}.",
            value.type_name())));
  }
  const Members members = members_of(value);
  const bool answers = members.result != nullptr || members.failure != nullptr;
  RequestId id;
  if (members.id != nullptr) {
    std::optional<RequestId> read = RequestId::from(*members.id);
    if (!read && !(answers && members.method == nullptr)) return invalid({}, bad_id());
    if (read) id = std::move(*read);
  }
  if (!is_version_2(members.version)) {
    return invalid(
        std::move(id),
        invalid_request(
            "Invalid request: the member jsonrpc is missing or not \"2.0\". This server speaks "
            "JSON-RPC 2.0 only."));
  }
  Message message;
  message.id = std::move(id);
  if (members.method == nullptr && answers) {
    message.kind = Message::Kind::Response;
    if (members.failure != nullptr) {
      message.failure = std::move(*members.failure);
    } else {
      message.result = std::move(*members.result);
    }
    return message;
  }
  if (members.method == nullptr || !members.method->is_string()) {
    return invalid(std::move(message.id),
                   invalid_request("Invalid request: the member method is missing or not a string. "
                                   "Name the method to call."));
  }
  message.method = std::move(members.method->get_ref<std::string&>());
  message.kind = members.id != nullptr ? Message::Kind::Request : Message::Kind::Notification;
  if (members.params == nullptr) {
    message.params = Json::object();
  } else if (members.params->is_object()) {
    message.params = std::move(*members.params);
  } else if (message.kind == Message::Kind::Request) {
    return invalid(
        std::move(message.id),
        invalid_params(fmt::format(
            "Invalid params: params is a JSON {}, and MCP's methods take an object. Send params as "
            "{{…}} or leave it out.",
            members.params->type_name())));
  }
  return message;
}

RequestId find_id(std::string_view beginning, std::string_view end) {
  constexpr std::string_view kName = "\"id\"";
  // First in the head, before params can begin: clients that write the id first.
  const std::size_t params = beginning.find("\"params\"");
  const std::size_t early = beginning.substr(0, params).find(kName);
  if (early != std::string_view::npos) return id_after(beginning, early + kName.size());
  // Else as the last member of the message: nothing but the closing brace follows.
  const std::size_t late = end.rfind(kName);
  if (late == std::string_view::npos) return {};
  const std::size_t brace = end.find('}', late);
  const bool last = brace != std::string_view::npos &&
                    end.find_first_not_of(" \t\r", brace + 1) == std::string_view::npos;
  return last ? id_after(end, late + kName.size()) : RequestId();
}

void append_error(std::string& out, const RpcError& error) {
  out += R"({"code":)";
  out += std::to_string(static_cast<int>(error.code));
  out += R"(,"message":)";
  append_json_string(out, error.message);
  if (!error.data.is_null()) {
    out += R"(,"data":)";
    append_json(out, error.data);
  }
  out += '}';
}

std::string error_line(const RequestId& id, const RpcError& error) {
  std::string line = R"({"jsonrpc":"2.0","id":)";
  line += id.empty() ? "null" : id.text();
  line += R"(,"error":)";
  append_error(line, error);
  line += '}';
  return line;
}

std::string notification_line(std::string_view method, std::string_view params) {
  std::string line = R"({"jsonrpc":"2.0","method":")";
  line += method;
  line += '"';
  if (!params.empty()) {
    line += R"(,"params":)";
    line += params;
  }
  line += '}';
  return line;
}

}  // namespace pyember::mcp
