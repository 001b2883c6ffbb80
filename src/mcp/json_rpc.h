#pragma once

#include "mcp/errors.h"
#include "mcp/json.h"

#include <optional>
#include <string>
#include <string_view>

namespace pyember::mcp {

// A request's id, kept as the JSON text it is echoed as: 1 and "1" stay different, and comparing or
// sending one costs nothing. Empty: there is none (null on the wire).
class RequestId {
 public:
  RequestId() = default;

  // nullopt: not an id (null, a fraction, a bool, …, or longer than limits::kMaximumIdBytes).
  static std::optional<RequestId> from(const Json& value);

  const std::string& text() const { return text_; }
  bool empty() const { return text_.empty(); }
  bool operator==(const RequestId&) const = default;

 private:
  explicit RequestId(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

// One JSON-RPC message as it came in.
struct Message {
  enum class Kind {
    Request,
    Notification,
    Response,
    Invalid,  // `error` says why; `id` if it could be read
  };
  Kind kind = Kind::Invalid;
  RequestId id;
  std::string method;
  Json params;  // an object; empty if left out
  RpcError error;
  // Of a response; without a result it is `failure` (the error as it came; null: none).
  std::optional<Json> result = std::nullopt;
  Json failure = nullptr;
};

// Takes a parsed JSON value apart, moving what it holds.
Message read_message(Json&& value);

// What can be read of the id in a line of which only the two ends are known (or which is too deep
// to parse): so that the one who waits for it gets the error.
RequestId find_id(std::string_view beginning, std::string_view end);

// Lines. `result` and `params` are JSON texts.
std::string error_line(const RequestId& id, const RpcError& error);
void append_error(std::string& out, const RpcError& error);  // the error alone
std::string notification_line(std::string_view method, std::string_view params);

}  // namespace pyember::mcp
