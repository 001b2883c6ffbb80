#pragma once

#include <memory>
#include <string>
#include <string_view>

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
// out, and so is a traceparent that is none, with its tracestate.
std::shared_ptr<const TraceContext> read_trace_context(const Json& meta);

// For the _meta of a request that is made for it: as it was, under the same names.
Json trace_meta(const TraceContext& context);

// The trace it belongs to: 32 hexadecimal digits; empty: there is no traceparent.
std::string_view trace_id(const TraceContext& context);

}  // namespace pyember::mcp
