#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "mcp/client.h"
#include "mcp/json_members.h"

// How a connection begins (PROTOCOL: STDIO-5, HTTP-13). A server of the stateless era answers
// server/discover. Whatever else comes back, or silence, means that it may know the handshake, and
// it is asked for that; only the three errors that this era defines say that it does not.
namespace pyember::mcp {
namespace {

constexpr int kHeaderMismatch = -32020;
constexpr std::size_t kInstructionsBytes = 64u << 10;

bool is_modern_error(const ClientError& error) {
  return error.kind == ClientError::Kind::Rpc &&
         (error.code == kHeaderMismatch ||
          error.code == static_cast<int>(RpcCode::MissingCapability) ||
          error.code == static_cast<int>(RpcCode::UnsupportedVersion));
}

bool lists_handshake_version(const std::vector<std::string>& versions) {
  return std::any_of(versions.begin(), versions.end(), [](const std::string& name) {
    const std::optional<Version> version = parse_version(name);
    return version && !is_modern(*version);
  });
}

bool lists_ours(const std::vector<std::string>& versions) {
  return std::find(versions.begin(), versions.end(), to_string(kModernVersion)) != versions.end();
}

std::string listed(const std::vector<std::string>& versions) {
  std::string text;
  for (const std::string& each : versions) {
    text += (text.empty() ? "" : ", ") + in_quotes(each);
    if (text.size() > 300) break;
  }
  return text.empty() ? "none" : text;
}

std::string speaks_others(const std::vector<std::string>& versions) {
  return fmt::format("it speaks versions of the protocol that are not known here ({})",
                     listed(versions));
}

Json client_info(const ClientSettings& settings) {
  return Json{{"name", "pyember"}, {"version", settings.version}};
}

std::string said(const ClientError& error) {
  if (error.kind != ClientError::Kind::Rpc) return error.message;
  return fmt::format("{} (JSON-RPC error {})", error.message.empty() ? "no message" : error.message,
                     error.code);
}

}  // namespace

void Client::start() {
  CHECK(state_ == State::Idle);
  modern_meta_ = to_json_text(Json{{meta_key::kProtocolVersion, to_string(kModernVersion)},
                                   {meta_key::kClientInfo, client_info(settings_)},
                                   {meta_key::kClientCapabilities, settings_.capabilities}});
  if (settings_.try_handshake) {
    initialize();
  } else {
    probe();
  }
}

void Client::probe() {
  state_ = State::Probing;
  version_ = kModernVersion;
  Request request;
  request.done = [this](ClientAnswer answer) { handle_discovered(std::move(answer)); };
  probe_id_ = send("server/discover", Json::object(), std::move(request));
}

void Client::probe_timed_out() {
  if (state_ != State::Probing) return;
  requests_.erase(probe_id_);
  owner_.client_abandons(probe_id_);
  initialize();
}

void Client::handle_discovered(ClientAnswer answer) {
  if (answer.error && answer.error->kind == ClientError::Kind::NotSent) return;
  if (answer.error) {
    refused_probe(*answer.error);
    return;
  }
  if (!accept_discovered(answer.result)) {
    const auto versions = texts_in(answer.result, "supportedVersions");
    if (lists_handshake_version(versions) || versions.empty()) {
      initialize();
    } else {
      fail(speaks_others(versions));
    }
  }
}

void Client::refused_probe(const ClientError& error) {
  if (!is_modern_error(error)) {
    if (error.kind == ClientError::Kind::Transport) probe_failure_ = error.message;
    initialize();
    return;
  }
  const auto versions = texts_in(error.data, "supported");
  if (lists_ours(versions) && !std::exchange(probed_again_, true)) {
    probe();
  } else if (lists_handshake_version(versions)) {
    initialize();
  } else if (!versions.empty() && !lists_ours(versions)) {
    fail(speaks_others(versions));
  } else {
    fail(fmt::format("it refused the first request: {}", said(error)));
  }
}

bool Client::accept_discovered(const Json& result) {
  if (!lists_ours(texts_in(result, "supportedVersions"))) return false;
  version_ = kModernVersion;
  take_description(result);
  const auto meta = result.find("_meta");
  if (meta != result.end() && meta->is_object()) {
    const auto info = meta->find(meta_key::kServerInfo);
    if (info != meta->end() && info->is_object()) server_info_ = *info;
  }
  become_ready();
  return true;
}

void Client::initialize() {
  drop_questions(0);
  state_ = State::Initializing;
  version_ = kNewestHandshakeVersion;
  Request request;
  request.done = [this](ClientAnswer answer) { handle_initialized(std::move(answer)); };
  send("initialize",
       Json{{"protocolVersion", to_string(kNewestHandshakeVersion)},
            {"capabilities", settings_.capabilities},
            {"clientInfo", client_info(settings_)}},
       std::move(request));
}

void Client::handle_initialized(ClientAnswer answer) {
  // The end of the connection is about to be told, with its reason.
  if (answer.error && answer.error->kind == ClientError::Kind::NotSent) return;
  if (answer.error) {
    if (late_discovery_ && accept_discovered(*late_discovery_)) return;
    if (settings_.try_handshake && probe_id_ == 0) {
      probe();  // it may speak another era than it did last time
    } else if (is_modern_error(*answer.error) && !probe_failure_.empty()) {
      fail(probe_failure_);  // it is of the modern era, and that is why it was not reached in it
    } else if (answer.error->message.ends_with('.') &&
               answer.error->kind == ClientError::Kind::Transport) {
      fail(answer.error->message);  // says all there is to say
    } else {
      fail(fmt::format("it refused the handshake: {}", said(*answer.error)));
    }
    return;
  }
  const std::string name = text_in(answer.result, "protocolVersion");
  const std::optional<Version> version = parse_version(name);
  if (!version || is_modern(*version)) {
    fail(speaks_others({name}));
    return;
  }
  version_ = *version;
  take_description(answer.result);
  const auto info = answer.result.find("serverInfo");
  if (info != answer.result.end() && info->is_object()) server_info_ = *info;
  notify("notifications/initialized", Json::object());
  become_ready();
}

void Client::take_description(const Json& result) {
  const auto capabilities = result.find("capabilities");
  capabilities_ =
      capabilities != result.end() && capabilities->is_object() ? *capabilities : Json::object();
  instructions_ = text_in(result, "instructions");
  if (instructions_.size() > kInstructionsBytes) {
    instructions_.resize(
        utf8::valid_prefix(std::string_view(instructions_).substr(0, kInstructionsBytes)));
  }
}

void Client::become_ready() {
  state_ = State::Ready;
  late_discovery_.reset();
  for (Request& each : std::exchange(again_, {})) send_again(std::move(each));
  owner_.client_is_ready();
}

void Client::fail(const std::string& why) {
  state_ = State::Failed;
  const ClientError error{ClientError::Kind::Transport, why, 0, nullptr};
  for (Request& each : std::exchange(again_, {})) each.done({nullptr, error});
  for (auto& [id, each] : std::exchange(requests_, {})) each.done({nullptr, error});
  for (auto& [handle, each] : std::exchange(interrupted_, {})) {
    drop_questions(handle);
    each.request.done({nullptr, error});
  }
  drop_questions(0);
  owner_.client_failed(why);
}

void Client::listen() {
  const auto tools = capabilities_.find("tools");
  if (!ready() || !is_modern(version_) || listen_id_ != 0 || tools == capabilities_.end() ||
      !flag_in(*tools, "listChanged")) {
    return;
  }
  Request request;
  request.done = [this](const ClientAnswer&) {
    listen_id_ = 0;
    if (ready()) owner_.client_stopped_listening();
  };
  listen_id_ = send("subscriptions/listen",
                    Json{{"notifications", Json{{"toolsListChanged", true}}}}, std::move(request));
}

}  // namespace pyember::mcp
