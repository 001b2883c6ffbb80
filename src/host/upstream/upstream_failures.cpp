#include "host/upstream/upstream_failures.h"

#include <fmt/format.h>

#include <utility>

#include "base/limits.h"
#include "host/upstream/tools/tool_docs.h"
#include "mcp/errors.h"
#include "mcp/json_members.h"

namespace pyember::host {

namespace {

using Kind = UpstreamFailure::Kind;
using mcp::in_quotes;

// What a transport says may be whole sentences, in three parts already.
bool is_complete(std::string_view message) { return message.ends_with('.'); }

// `clause` without the end of a sentence, should it have one.
std::string_view unended(std::string_view clause) {
  while (!clause.empty() && (clause.back() == '.' || clause.back() == ' ')) {
    clause.remove_suffix(1);
  }
  return clause;
}

// A clause that ends with lines of the server's own has ended already.
std::string_view stop_after(std::string_view clause) { return clause.ends_with('\n') ? "" : ". "; }

double seconds(std::chrono::milliseconds time) { return static_cast<double>(time.count()) / 1000; }

}  // namespace

std::string_view kind_word(Kind kind) {
  switch (kind) {
    case Kind::UnknownServer:
      return "unknown_server";
    case Kind::Start:
      return "start";
    case Kind::Lost:
      return "lost";
    case Kind::Timeout:
      return "timeout";
    case Kind::Cancelled:
      return "cancelled";
    case Kind::Limit:
      return "limit";
    case Kind::TooLarge:
      return "too_large";
    case Kind::Protocol:
    case Kind::Rpc:
      return "upstream";
  }
  return "internal";
}

std::string shown_request(std::string_view method, const mcp::Json& params) {
  std::string name = mcp::text_in(params, "name");
  if (name.empty()) name = mcp::text_in(params, "uri");
  if (name.empty()) return std::string(method);
  return fmt::format("{} {}", method, in_quotes(name));
}

UpstreamFailure unknown_server(std::string_view wanted, const UpstreamConfiguration& configured) {
  return {Kind::UnknownServer, no_such_server(configured, wanted), 0, nullptr};
}

UpstreamFailure start_failed(const UpstreamDefinition& server, const std::string& why,
                             std::chrono::milliseconds again_in) {
  std::string message =
      is_complete(why)
          ? why
          : fmt::format(
                "MCP server {} can't be used: {}{}Check its entry in {}; `pyember upstreams test "
                "{}` tries it.",
                in_quotes(server.name), unended(why), stop_after(why),
                server.source.empty() ? "the configuration" : server.source, server.name);
  if (again_in.count() > 0) {
    message +=
        fmt::format(" It is started again by the first call after {:.1f} s.", seconds(again_in));
  }
  return {Kind::Start, std::move(message), 0, nullptr};
}

UpstreamFailure lost(const UpstreamDefinition& server, const std::string& request,
                     const std::string& why) {
  if (is_complete(why)) return {Kind::Lost, why, 0, nullptr};
  return {
      Kind::Lost,
      fmt::format("MCP server {} was lost during {}: {}{}Whether the request was carried out is "
                  "not known; the next call starts the server again.",
                  in_quotes(server.name), request, unended(why), stop_after(why)),
      0, nullptr};
}

UpstreamFailure timed_out(const UpstreamDefinition& server, const std::string& request,
                          std::chrono::milliseconds timeout, bool sent) {
  return {
      Kind::Timeout,
      fmt::format("MCP server {} did not answer {} within {:g} s{}. Give the call more time, or "
                  "ask for less.",
                  in_quotes(server.name), request, seconds(timeout),
                  sent ? ", and was told to leave it" : ": it had not even started"),
      0, nullptr};
}

UpstreamFailure cancelled(const UpstreamDefinition& server, const std::string& request) {
  return {Kind::Cancelled,
          fmt::format("{} of MCP server {} was cancelled: nobody waits for it any more. Call it "
                      "again when it is wanted.",
                      request, in_quotes(server.name)),
          0, nullptr};
}

UpstreamFailure too_many(const UpstreamDefinition& server, const std::string& request) {
  return {Kind::Limit,
          fmt::format("{} was not sent to MCP server {}: {} requests wait for its answers already. "
                      "Wait for some of them first.",
                      request, in_quotes(server.name), limits::kUpstreamRequests),
          0, nullptr};
}

UpstreamFailure refused(const UpstreamDefinition& server, const std::string& request,
                        mcp::ClientError error) {
  const std::string name = in_quotes(server.name);
  switch (error.kind) {
    case mcp::ClientError::Kind::Rpc:
      return {
          Kind::Rpc,
          fmt::format("MCP server {} refused {}: {} (JSON-RPC error {}). Check the name and the "
                      "arguments with runtime.query_tool_docs({}, detail=\"full\").",
                      name, request, unended(error.message), error.code, name),
          error.code, std::move(error.data)};
    case mcp::ClientError::Kind::TooLarge:
      if (is_complete(error.message)) {
        return {Kind::TooLarge, std::move(error.message), 0, nullptr};
      }
      return {
          Kind::TooLarge,
          fmt::format("The request of MCP server {}, {}, has no result: {}. Ask for less at once.",
                      name, request, unended(error.message)),
          0, nullptr};
    case mcp::ClientError::Kind::NotSent:
    case mcp::ClientError::Kind::Transport:
      return lost(server, request, error.message);
    case mcp::ClientError::Kind::Protocol:
      break;
  }
  return {
      Kind::Protocol,
      fmt::format("MCP server {} did not answer {} by the rules of the protocol: {}. Try another "
                  "of its tools, or another version of the server.",
                  name, request, unended(error.message)),
      0, nullptr};
}

}  // namespace pyember::host
