#include "mcp/connection_impl.h"
#include "mcp/json.h"
#include "mcp/presentation.h"

#include <fmt/format.h>

#include <utility>

// Going on where another server on the same pipe was when it died.
namespace pyember::mcp {

ToolResult lost_call(const Tool& tool, const Json& arguments) {
  if (tool.lost) return tool.lost(arguments);
  return tool_error(fmt::format(
      "{} has no answer, because the server died while it ran and was started again. It may have "
      "done its work or a part of it. Look at what it was to change before calling it again.",
      tool.name));
}

namespace {

RpcError cut_short() {
  return {
      RpcCode::InternalError,
      "Internal error: the server died before it answered this request, and too little of it is "
      "left to serve it again. It may have had effects. Look at what it was to change, then "
      "send it again.",
      {}};
}

const std::string* text_member(const Json& object, std::string_view name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? &found->get_ref<const std::string&>()
                                                     : nullptr;
}

}  // namespace

// --- what is remembered of the handshake -----------------------------------------------------

void Connection::Impl::protocol_changed() {
  if (resuming_ || closing_) return;
  Json state = Json::object();
  remember_questions(state);
  if (handshake_.is_open()) remember_handshake(state);
  responder_.output().protocol_changed(to_json_text(state));
}

void Connection::Impl::remember_handshake(Json& state) const {
  state["version"] = std::string(to_string(*handshake_.version()));
  state["confirmed"] = handshake_.is_confirmed();
  state["client"] = to_json(handshake_.client);
  if (handshake_.log_level) state["log_level"] = std::string(to_string(*handshake_.log_level));
  state["uris"] = Json::array();
  for (const std::string& uri : handshake_.subscribed_uris) state["uris"].push_back(uri);
}

void Connection::Impl::restore_protocol(const std::string& text) {
  const Result<Json> parsed = parse_json(text);
  if (!parsed.ok() || !parsed.value().is_object()) return;
  restore_handshake(parsed.value());
  restore_questions(parsed.value());
}

void Connection::Impl::restore_handshake(const Json& state) {
  const std::string* name = text_member(state, "version");
  const std::optional<Version> version = name != nullptr ? parse_version(*name) : std::nullopt;
  if (!version || is_modern(*version)) return;
  handshake_.open(*version);
  if (state.value("confirmed", false)) handshake_.confirm();
  if (const auto client = state.find("client"); client != state.end()) {
    handshake_.client = client_capabilities_from_json(*client);
  }
  if (const std::string* level = text_member(state, "log_level")) {
    handshake_.log_level = parse_log_level(*level);
  }
  const auto uris = state.find("uris");
  if (uris == state.end() || !uris->is_array()) return;
  for (const Json& uri : *uris) {
    if (!uri.is_string()) continue;
    const bool added = handshake_.subscribed_uris.insert(uri.get<std::string>()).second;
    if (added) server_.add_subscriber(uri.get_ref<const std::string&>());
  }
}

// --- lines that were not answered ------------------------------------------------------------

void Connection::Impl::resume(Continuation&& from) {
  resuming_ = true;
  restore_protocol(from.protocol);
  framer_.begin_at(from.position, from.overlong_beginning);
  for (KeptLine& line : from.lines) {
    if (line.begun || line.truncated) {
      give_up(std::move(line));
    } else {
      handle_text(line.text, parse_json(line.text), line.ticket, nullptr);
    }
  }
  resuming_ = false;
}

void Connection::Impl::give_up(KeptLine&& line) {
  Result<Json> value = parse_json(line.text);
  if (line.truncated || !value.ok()) {
    return responder_.error({find_id(line.text, line.text), {}, nullptr, 0, line.ticket},
                            cut_short());
  }
  Json message = value.take();
  if (!message.is_array())
    return give_up_message(std::move(message), {{}, {}, nullptr, 0, line.ticket});
  const auto batch = std::make_shared<Batch>(responder_, line.ticket);
  for (Json& each : message) give_up_message(std::move(each), {{}, {}, batch, 0, line.ticket});
}

// Of a batch some may not have begun; which, is not known. What does nothing twice is served.
void Connection::Impl::give_up_message(Json&& value, Recipient&& from) {
  const Json whole = value;
  Message message = read_message(std::move(value));
  const std::string* name =
      message.method == "tools/call" ? text_member(message.params, "name") : nullptr;
  const ToolCatalog::Entry* entry = name != nullptr ? server_.tools.find(*name) : nullptr;
  if (message.kind != Message::Kind::Request || entry == nullptr ||
      entry->tool.begins == Tool::Begins::Never) {
    return handle_message(Json(whole), std::move(from), nullptr);
  }
  from.id = std::move(message.id);
  const bool modern = carries_modern_meta(message.params);
  if (modern) {
    if (const auto error = check_modern_meta(message.params, nullptr)) {
      return responder_.error(from, *error);
    }
  }
  ContextOrError context =
      modern ? read_modern_context(message.params) : handshake_.read_context(message.params);
  if (const auto* error = std::get_if<RpcError>(&context)) return responder_.error(from, *error);
  from.context = std::move(std::get<RequestContext>(context));
  static const Json kNone = Json::object();
  const auto given = message.params.find("arguments");
  const bool usable = given != message.params.end() && given->is_object();
  std::string members;
  append_tool_result(members, lost_call(entry->tool, usable ? *given : kNone),
                     from.context.version);
  responder_.result(from, members);
}

void Connection::Impl::forget(const Recipient& from) {
  if (!from.batch && from.ticket != kNoTicket) responder_.output().forget(from.ticket);
}

}  // namespace pyember::mcp
