#include "host/http/gate/reply.h"

#include <utility>

#include "mcp/json.h"

namespace pyember::host {

HttpReply refusal(int status, std::string_view message, mcp::HttpFields fields) {
  constexpr int kInvalidRequest = -32600;
  const mcp::Json body{{"jsonrpc", "2.0"},
                       {"id", nullptr},
                       {"error", {{"code", kInvalidRequest}, {"message", message}}}};
  fields.push_back({"Content-Type", "application/json"});
  fields.push_back({"Cache-Control", "no-store"});
  return {status, std::move(fields), mcp::to_json_text(body)};
}

}  // namespace pyember::host
