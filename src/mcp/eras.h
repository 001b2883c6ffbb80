#pragma once

#include "mcp/client_capabilities.h"
#include "mcp/errors.h"
#include "mcp/json.h"
#include "mcp/log_level.h"
#include "mcp/protocol.h"
#include "mcp/request_headers.h"
#include "mcp/trace_context.h"

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>

namespace pyember::mcp {

// All that a request's handler may know about who asks and how. Made here, for either era; nothing
// below looks at the connection.
struct RequestContext {
  Version version = kNewestHandshakeVersion;
  std::optional<LogLevel> log_level;  // log messages at or above it are wanted
  std::string progress_token;         // as JSON text; empty: no progress wanted
  ClientCapabilities client;
  std::shared_ptr<const TraceContext> trace;  // null: the client keeps none
};

using ContextOrError = std::variant<RequestContext, RpcError>;

// Whether a request belongs to the modern era: its _meta has one of that era's keys.
bool carries_modern_meta(const Json& params);

// What keeps a request from being served by the modern era's rules, whatever its method: its _meta,
// and, over HTTP, what its headers say of the version (in the order of ERA-4). `headers` may be
// null.
std::optional<RpcError> check_modern_meta(const Json& params, const RequestHeaders* headers);

// The context of such a request, or what else is wrong with its _meta.
ContextOrError read_modern_context(const Json& params);

// What `initialize` opened, for the lifetime of the connection. A second initialize starts it
// afresh.
class Handshake {
 public:
  void open(Version version);
  void confirm() { confirmed_ = is_open(); }  // notifications/initialized

  bool is_open() const { return version_.has_value(); }
  std::optional<Version> version() const { return version_; }
  bool is_confirmed() const { return confirmed_; }  // from then on we may speak unasked
  bool knows_batches() const { return is_open() && mcp::knows_batches(*version_); }

  // The context of a request without modern _meta; also before the handshake (for ping).
  ContextOrError read_context(const Json& params) const;

  std::optional<LogLevel> log_level;
  ClientCapabilities client;
  std::set<std::string, std::less<>> subscribed_uris;

 private:
  std::optional<Version> version_;
  bool confirmed_ = false;
};

}  // namespace pyember::mcp
