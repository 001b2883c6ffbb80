#include "mcp/eras.h"

#include "mcp/json_rpc.h"

#include <fmt/format.h>

namespace pyember::mcp {
namespace {

const Json* member(const Json& object, std::string_view name) {
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

const Json* meta_of(const Json& params) {
  const Json* meta = member(params, "_meta");
  return meta != nullptr && meta->is_object() ? meta : nullptr;
}

RpcError bad_meta(std::string_view key, std::string_view problem) {
  return invalid_params(fmt::format(
      "Invalid params: _meta[\"{}\"] {}. Every request of protocol version {} carries {} (a "
      "string) and {} (an object) in params._meta.",
      key, problem, to_string(kModernVersion), meta_key::kProtocolVersion,
      meta_key::kClientCapabilities));
}

std::optional<RpcError> read_progress_token(const Json& meta, RequestContext& context) {
  const Json* token = member(meta, meta_key::kProgressToken);
  if (token == nullptr) return std::nullopt;
  const std::optional<RequestId> id = RequestId::from(*token);  // what may be an id may be a token
  if (!id) {
    return invalid_params(
        "Invalid params: _meta.progressToken is neither a short string nor an integer. Give one "
        "that no other active request uses, or leave it out.");
  }
  context.progress_token = id->text();
  return std::nullopt;
}

std::optional<RpcError> read_log_level(const Json& meta, RequestContext& context) {
  const Json* level = member(meta, meta_key::kLogLevel);
  if (level == nullptr) return std::nullopt;
  if (level->is_string()) context.log_level = parse_log_level(level->get_ref<const std::string&>());
  if (context.log_level) return std::nullopt;
  return bad_meta(meta_key::kLogLevel,
                  "is not one of debug, info, notice, warning, error, critical, alert, emergency");
}

std::optional<RpcError> check_required(const Json& meta) {
  const Json* version = member(meta, meta_key::kProtocolVersion);
  if (version == nullptr) return bad_meta(meta_key::kProtocolVersion, "is missing");
  if (!version->is_string()) return bad_meta(meta_key::kProtocolVersion, "is not a string");
  const Json* capabilities = member(meta, meta_key::kClientCapabilities);
  if (capabilities == nullptr) return bad_meta(meta_key::kClientCapabilities, "is missing");
  if (!capabilities->is_object())
    return bad_meta(meta_key::kClientCapabilities, "is not an object");
  const Json* info = member(meta, meta_key::kClientInfo);
  if (info != nullptr && !info->is_object())
    return bad_meta(meta_key::kClientInfo, "is not an object");
  return std::nullopt;
}

}  // namespace

bool carries_modern_meta(const Json& params) {
  const Json* meta = meta_of(params);
  return meta != nullptr && (member(*meta, meta_key::kProtocolVersion) != nullptr ||
                             member(*meta, meta_key::kClientCapabilities) != nullptr ||
                             member(*meta, meta_key::kClientInfo) != nullptr);
}

std::optional<RpcError> check_modern_meta(const Json& params, const RequestHeaders* headers) {
  if (headers != nullptr) {
    if (auto error = check_version_there(*headers)) return error;
  }
  const Json* found = meta_of(params);
  static const Json kNoMeta = Json::object();
  const Json& meta = found != nullptr ? *found : kNoMeta;
  if (auto error = check_required(meta)) return error;
  const auto& version = member(meta, meta_key::kProtocolVersion)->get_ref<const std::string&>();
  if (headers != nullptr) {
    if (auto error = check_version(*headers, version)) return error;
  }
  if (version != to_string(kModernVersion)) return unsupported_version(version);
  return std::nullopt;
}

ContextOrError read_modern_context(const Json& params) {
  const Json& meta = *meta_of(params);
  RequestContext context;
  context.version = kModernVersion;
  context.client =
      read_client_capabilities(*member(meta, meta_key::kClientCapabilities), kModernVersion);
  if (auto error = read_log_level(meta, context)) return std::move(*error);
  if (auto error = read_progress_token(meta, context)) return std::move(*error);
  context.trace = read_trace_context(meta);
  return context;
}

void Handshake::open(Version version) {
  *this = Handshake();
  version_ = version;
}

ContextOrError Handshake::read_context(const Json& params) const {
  RequestContext context;
  context.version = version_.value_or(kNewestHandshakeVersion);
  context.log_level = log_level;
  context.client = client;
  const Json* meta = meta_of(params);
  if (meta != nullptr) {
    if (auto error = read_progress_token(*meta, context)) return std::move(*error);
    context.trace = read_trace_context(*meta);
  }
  return context;
}

}  // namespace pyember::mcp
