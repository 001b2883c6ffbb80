#pragma once

#include "mcp/errors.h"
#include "mcp/json.h"
#include "mcp/log_level.h"
#include "mcp/protocol.h"

#include <functional>
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
  bool shows_questions = false;       // the client has elicitation, with forms
};

using ContextOrError = std::variant<RequestContext, RpcError>;

// Whether capabilities of a client's say that it shows forms to a person (PROTOCOL: MRTR-2).
bool shows_forms(const Json& capabilities);

// Whether a request belongs to the modern era: its _meta has one of that era's keys.
bool carries_modern_meta(const Json& params);

// The context of a modern request, or what is wrong with its _meta.
ContextOrError read_modern_context(const Json& params);

// What `initialize` opened, for the lifetime of the pipe. A second initialize starts it afresh.
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
  bool shows_questions = false;
  std::set<std::string, std::less<>> subscribed_uris;

 private:
  std::optional<Version> version_;
  bool confirmed_ = false;
};

}  // namespace pyember::mcp
