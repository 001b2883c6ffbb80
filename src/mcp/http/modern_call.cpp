#include "mcp/http/modern_call.h"

#include "mcp/http/messages.h"
#include "mcp/http/sse.h"

#include <utility>

namespace pyember::mcp {

RequestHeaders read_headers(const HttpRequest& request) {
  return {request.header("MCP-Protocol-Version"), request.header("Mcp-Method"),
          request.header("Mcp-Name"), [&request](std::string_view name) {
            return request.header("Mcp-Param-" + std::string(name));
          }};
}

ModernCall::ModernCall(Server& server, const std::shared_ptr<HttpExchange>& exchange,
                       Accepted accepted, HttpCaller&& caller, HttpLoad& load,
                       std::function<void(ModernCall&)> over)
    : caller_(std::move(caller)),
      over_(std::move(over)),
      reply_(exchange, accepted, load),
      connection_(server, *this,
                  {caller_.may_call ? [this](std::string_view tool) { return may_call(tool); }
                                    : std::function<bool(std::string_view)>()}) {
  reply_.when_gone([this] { over_(*this); });
}

bool ModernCall::may_call(std::string_view tool) {
  if (caller_.may_call(tool)) return true;
  refused_tool_ = tool;
  return false;
}

void ModernCall::serve(const HttpRequest& request, Result<Json>&& message, std::string_view text) {
  const RequestHeaders headers = read_headers(request);
  if (message.ok()) {
    id_ = id_of(message.value());
    listens_ = method_of(message.value()) == kListen;
  }
  connection_.receive_message(std::move(message), text, &headers);
}

void ModernCall::abandon(const Refusal& why) {
  if (reply_.is_undecided()) reply_.refuse(id_, why);
}

void ModernCall::send(std::string&& message, const Envelope& envelope) {
  if (reply_.is_over()) return;
  if (envelope.kind == Envelope::Kind::Answer) {
    answer(std::move(message), envelope.error_code);
  } else {
    reply_.write(message_event(message));
  }
}

void ModernCall::answer(std::string&& message, int code) {
  const int status = status_of(code);
  if (reply_.answers_alone(status)) {
    const bool challenged = code == static_cast<int>(RpcCode::Forbidden) && caller_.challenge;
    reply_.answer(std::move(message), status,
                  challenged ? caller_.challenge(refused_tool_) : HttpFields());
  } else {
    reply_.write(message_event(message));
    reply_.end();
  }
  over_(*this);
}

}  // namespace pyember::mcp
