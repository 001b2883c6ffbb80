#pragma once

#include <string>

#include "mcp/http/exchange.h"

namespace pyember::host {

// A whole answer over HTTP.
struct HttpReply {
  int status = 200;
  mcp::HttpFields fields;
  std::string body;
};

// An answer that refuses a request: an error of JSON-RPC without an id, so that clients of MCP show
// its message. `message` is for whoever reads the client's log and holds nothing of the request.
HttpReply refusal(int status, std::string_view message, mcp::HttpFields fields = {});

}  // namespace pyember::host
