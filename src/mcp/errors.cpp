#include "mcp/errors.h"

#include "base/utf8.h"
#include "mcp/protocol.h"

#include <fmt/format.h>

#include <utility>

namespace pyember::mcp {
namespace {

constexpr std::size_t kShownCharacters = 80;  // of what a client sent

RpcCode code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::InvalidArgument:
    case ErrorCode::NotFound:
      return RpcCode::InvalidParams;
    case ErrorCode::LimitReached:
    case ErrorCode::Unavailable:
    case ErrorCode::Internal:
      break;
  }
  return RpcCode::InternalError;
}

}  // namespace

std::string in_quotes(std::string_view text) {
  const std::string_view shown = utf8::head(text, kShownCharacters);
  return fmt::format("'{}'{}", utf8::repaired(shown), shown.size() < text.size() ? "…" : "");
}

RpcError to_rpc_error(const Error& error) { return {code_of(error.code), error.message, {}}; }

RpcError parse_error(std::string_view reason) {
  return {RpcCode::ParseError,
          fmt::format("The line is not a JSON message: {}. Send one JSON object per line, in "
                      "UTF-8, without newlines inside.",
                      reason),
          {}};
}

RpcError unknown_method(std::string_view method) {
  return {
      RpcCode::MethodNotFound,
      fmt::format(
          "Method not found: {} is not a method of this server in the protocol version of the "
          "request. server/discover (or the result of initialize) lists the capabilities it has.",
          in_quotes(method)),
      {}};
}

RpcError unsupported_version(std::string_view requested) {
  return {RpcCode::UnsupportedVersion,
          fmt::format("Unsupported protocol version: {} can't be used with per-request _meta. Use "
                      "{}, or open an older version with initialize.",
                      in_quotes(requested), to_string(kModernVersion)),
          {{"supported", Json::array({to_string(kModernVersion)})},
           {"requested", std::string(utf8::head(requested, kShownCharacters))}}};
}

RpcError unknown_tool(std::string_view name) {
  return {RpcCode::InvalidParams,
          fmt::format("Unknown tool: {} is not a tool of this server. tools/list names them.",
                      in_quotes(name)),
          {}};
}

RpcError resource_not_found(std::string_view uri, Version version) {
  const RpcCode code =
      is_modern(version) ? RpcCode::InvalidParams : RpcCode::LegacyResourceNotFound;
  return {code,
          fmt::format("Resource not found: nothing can be read at {}. resources/list and "
                      "resources/templates/list say what can.",
                      in_quotes(uri)),
          {{"uri", std::string(uri)}}};
}

RpcError invalid_params(std::string message) {
  return {RpcCode::InvalidParams, std::move(message), {}};
}

RpcError invalid_request(std::string message) {
  return {RpcCode::InvalidRequest, std::move(message), {}};
}

RpcError header_mismatch(std::string message) {
  return {RpcCode::HeaderMismatch, std::move(message), {}};
}

RpcError forbidden_tool(std::string_view name) {
  return {RpcCode::Forbidden,
          fmt::format("Forbidden: this caller may not call the tool {}, because its token does not "
                      "allow it. Use a token with the scope that the answer's challenge names.",
                      in_quotes(name)),
          {}};
}

}  // namespace pyember::mcp
