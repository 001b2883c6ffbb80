#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "mcp/json.h"

namespace pyember::mcp {

// The error codes that go over the wire. -32020 to -32099 belong to the specification.
enum class RpcCode : int {
  ParseError = -32700,
  InvalidRequest = -32600,
  MethodNotFound = -32601,
  InvalidParams = -32602,
  InternalError = -32603,
  MissingCapability = -32021,
  UnsupportedVersion = -32022,
  LegacyResourceNotFound = -32002,  // handshake eras only; the modern era says InvalidParams
};

// A JSON-RPC error as it is sent: the request could not be served. (A tool that ran and failed is
// a ToolResult with is_error.) The message has three parts: what happened, why, what to do next.
struct RpcError {
  RpcCode code = RpcCode::InternalError;
  std::string message;
  Json data;  // null: left out
};

// The one place where errors of the program become errors of the wire.
RpcError to_rpc_error(const Error& error);
RpcError unknown_method(std::string_view method);
RpcError unsupported_version(std::string_view requested);
RpcError invalid_params(std::string message);
RpcError invalid_request(std::string message);

}  // namespace pyember::mcp
