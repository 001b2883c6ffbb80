#include "mcp/http/refusal.h"

#include <fmt/format.h>

#include <utility>

namespace pyember::mcp {
namespace {

Refusal invalid(int status, std::string message) {
  return {status, invalid_request(std::move(message))};
}

// For a moment: another attempt may be served.
Refusal unavailable(std::string message) {
  return {503, {RpcCode::InternalError, std::move(message), {}}, {{"Retry-After", "1"}}};
}

}  // namespace

int status_of(int code) {
  switch (static_cast<RpcCode>(code)) {
    case RpcCode::MethodNotFound:
      return 404;
    case RpcCode::ParseError:
    case RpcCode::InvalidRequest:
    case RpcCode::InvalidParams:
    case RpcCode::HeaderMismatch:
    case RpcCode::MissingCapability:
    case RpcCode::UnsupportedVersion:
      return 400;
    case RpcCode::Forbidden:
      return 403;
    case RpcCode::InternalError:
    case RpcCode::LegacyResourceNotFound:
      break;
  }
  return 200;
}

void refuse(HttpExchange& exchange, const RequestId& id, const Refusal& refusal) {
  HttpFields fields = {{"Content-Type", "application/json"}};
  fields.insert(fields.end(), refusal.fields.begin(), refusal.fields.end());
  exchange.respond(refusal.status, fields, error_line(id, refusal.error));
}

Refusal method_not_allowed(std::string_view method) {
  Refusal refusal = invalid(
      405, fmt::format("{} is not served here: messages are sent with POST; GET and DELETE are for "
                       "sessions that initialize has opened, and carry their Mcp-Session-Id. Send "
                       "the request with POST, or with the session's id.",
                       in_quotes(method)));
  refusal.fields = {{"Allow", "GET, POST, DELETE"}};
  return refusal;
}

Refusal not_acceptable(std::string_view wanted) {
  return invalid(406, fmt::format("The request's Accept header refuses {}, and the answer has no "
                                  "other form. Send Accept: application/json, text/event-stream.",
                                  wanted));
}

Refusal unsupported_type() {
  return invalid(415,
                 "The body's Content-Type is not application/json, and messages come in no other "
                 "form. Send Content-Type: application/json.");
}

Refusal body_too_large(std::size_t maximum) {
  return invalid(413, fmt::format("The body was refused unread, because it is longer than {} "
                                  "bytes. Send less at once.",
                                  maximum));
}

Refusal not_json(std::string_view reason) {
  return {400,
          {RpcCode::ParseError,
           fmt::format("The body is not a JSON message: {}. Send one JSON-RPC message in UTF-8.",
                       reason),
           {}}};
}

Refusal too_complex(std::string_view reason) {
  return invalid(400, fmt::format("Invalid request: the message was refused unread, because {}. "
                                  "Send less at once.",
                                  reason));
}

Refusal bad_version(std::string_view version) {
  return invalid(400, fmt::format("The MCP-Protocol-Version {} is none that a session was opened "
                                  "with. Send the version that initialize has answered with.",
                                  in_quotes(version)));
}

Refusal batch_out_of_place() {
  return invalid(400,
                 "Invalid request: the body is a JSON array, and only sessions of protocol version "
                 "2025-03-26 take batches. Send one message in each POST.");
}

Refusal answer_out_of_place() {
  return invalid(400,
                 "Invalid request: the body answers a request, and a server sends none in this "
                 "protocol version. Send what was asked for as inputResponses of another call.");
}

Refusal no_session() {
  return invalid(400,
                 "Invalid request: it carries neither the _meta of protocol version 2026-07-28 nor "
                 "an Mcp-Session-Id, so it belongs to nothing. Send params._meta and the "
                 "MCP-Protocol-Version header, or call initialize first and send the "
                 "Mcp-Session-Id of its answer.");
}

Refusal unknown_session() {
  return invalid(404,
                 "There is no session of this Mcp-Session-Id: it was ended, was idle for too long, "
                 "or the server was started anew. Call initialize for a new one.");
}

Refusal too_many_sessions() {
  return unavailable(
      "No session was opened, because as many as may be are open and in use. End one with DELETE, "
      "or try again later.");
}

Refusal unknown_event() {
  return invalid(400,
                 "The stream of this Last-Event-ID can't be resumed: it is over, or was never one "
                 "of this session. Send the request again if its answer is still needed.");
}

Refusal id_in_flight(const RequestId& id) {
  return invalid(400, fmt::format("Invalid request: a request with the id {} is still in flight; "
                                  "it goes on. Give each request an id of its own until it is "
                                  "answered.",
                                  id.text()));
}

Refusal overloaded() {
  return unavailable(
      "The request was not served, because too many are open already. Wait until some are "
      "answered, and send it again.");
}

Refusal server_ends() {
  return unavailable("The request was not served, because the server ends. Send it again.");
}

}  // namespace pyember::mcp
