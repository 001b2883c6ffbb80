#include "mcp/trace_context.h"

#include <algorithm>
#include <string_view>

#include "base/limits.h"

namespace pyember::mcp {
namespace {

std::string text_of(const Json* value) {
  if (value == nullptr || !value->is_string()) return {};
  const auto& text = value->get_ref<const std::string&>();
  const bool usable = text.size() <= limits::kTraceContextBytes &&
                      std::all_of(text.begin(), text.end(),
                                  [](char c) { return c == '\t' || (c >= ' ' && c <= '~'); });
  return usable ? text : std::string();
}

}  // namespace

std::shared_ptr<const TraceContext> read_trace_context(const Json& meta) {
  const Json* parent = nullptr;
  const Json* state = nullptr;
  const Json* baggage = nullptr;
  for (const auto& [name, value] : meta.get_ref<const Json::object_t&>()) {
    if (name == "traceparent")
      parent = &value;
    else if (name == "tracestate")
      state = &value;
    else if (name == "baggage")
      baggage = &value;
  }
  if (parent == nullptr && baggage == nullptr) return nullptr;  // a state alone says nothing
  auto context = std::make_shared<TraceContext>(
      TraceContext{text_of(parent), text_of(state), text_of(baggage)});
  if (context->traceparent.empty()) context->tracestate.clear();
  if (context->traceparent.empty() && context->baggage.empty()) return nullptr;
  return context;
}

}  // namespace pyember::mcp
