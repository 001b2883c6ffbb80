#include "mcp/trace_context.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/limits.h"

// A traceparent is VERSION-TRACE-PARENT-FLAGS in lower-case hexadecimal digits (2, 32, 16 and 2 of
// them); a later version than 00 may have more behind that.
namespace pyember::mcp {
namespace {

constexpr std::size_t kTraceIdAt = 3;
constexpr std::size_t kTraceIdDigits = 32;
constexpr std::size_t kTraceParentBytes = 55;

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_zero(std::string_view digits) { return digits.find_first_not_of('0') == digits.npos; }

bool is_traceparent(std::string_view text) {
  if (text.size() < kTraceParentBytes) return false;
  const std::string_view version = text.substr(0, 2);
  const std::string_view trace = text.substr(kTraceIdAt, kTraceIdDigits);
  const std::string_view parent = text.substr(36, 16);
  const std::string_view flags = text.substr(53, 2);
  const bool dashes = text[2] == '-' && text[35] == '-' && text[52] == '-';
  const bool digits = is_hex(version) && is_hex(trace) && is_hex(parent) && is_hex(flags);
  const bool longer = text.size() > kTraceParentBytes;
  const bool ends = !longer || (version != "00" && text[kTraceParentBytes] == '-');
  return dashes && digits && ends && version != "ff" && !is_zero(trace) && !is_zero(parent);
}

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
  if (!is_traceparent(context->traceparent)) {
    context->traceparent.clear();
    context->tracestate.clear();  // it says nothing by itself
  }
  if (context->traceparent.empty() && context->baggage.empty()) return nullptr;
  return context;
}

Json trace_meta(const TraceContext& context) {
  Json meta = Json::object();
  using Entry = std::pair<const char*, const std::string&>;
  for (const auto& [name, text] :
       {Entry{"traceparent", context.traceparent}, Entry{"tracestate", context.tracestate},
        Entry{"baggage", context.baggage}}) {
    if (!text.empty()) meta[name] = text;
  }
  return meta;
}

std::string_view trace_id(const TraceContext& context) {
  const std::string_view whole = context.traceparent;
  return whole.empty() ? whole : whole.substr(kTraceIdAt, kTraceIdDigits);
}

}  // namespace pyember::mcp
