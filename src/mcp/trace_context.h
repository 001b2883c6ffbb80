#pragma once

#include <memory>
#include <string>

#include "mcp/json.h"

namespace pyember::mcp {

// Where a request stands in a trace that its client keeps (W3C Trace Context and Baggage), to be
// handed on to whoever works for it. Nothing here depends on what it says (PROTOCOL: BASE-8).
struct TraceContext {
  std::string traceparent;  // empty, as the others: not given
  std::string tracestate;
  std::string baggage;
};

// That of a request's _meta; null: none. What is too long, or could not stand in a header, is left
// out.
std::shared_ptr<const TraceContext> read_trace_context(const Json& meta);

}  // namespace pyember::mcp
