#pragma once

#include "base/result.h"
#include "mcp/json.h"
#include "mcp/protocol.h"

#include <string>
#include <string_view>

namespace pyember::mcp {

// The error codes that go over the wire. -32020 to -32099 belong to the specification.
enum class RpcCode : int {
  ParseError = -32700,
  InvalidRequest = -32600,
  MethodNotFound = -32601,
  InvalidParams = -32602,
  InternalError = -32603,
  HeaderMismatch = -32020,  // over HTTP only
  MissingCapability = -32021,
  UnsupportedVersion = -32022,
  Forbidden = 403,  // over HTTP only: outside of what is reserved, as that of its status
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

RpcError parse_error(std::string_view reason);
RpcError unknown_method(std::string_view method);
RpcError unsupported_version(std::string_view requested);
RpcError unknown_tool(std::string_view name);
RpcError resource_not_found(std::string_view uri, Version version);
RpcError invalid_params(std::string message);
RpcError invalid_request(std::string message);
RpcError header_mismatch(std::string message);
RpcError forbidden_tool(std::string_view name);

// A value a client sent, as messages show it: in quotes, valid UTF-8, at most 80 characters.
std::string in_quotes(std::string_view text);

}  // namespace pyember::mcp
