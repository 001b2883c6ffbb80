#include "host/upstream/policy/canonical_json.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace pyember::host {

using mcp::Json;

namespace {

void append(std::string& out, const Json& value);

void append_object(std::string& out, const Json& value) {
  std::vector<const Json::object_t::value_type*> members;
  for (const auto& member : value.get_ref<const Json::object_t&>()) members.push_back(&member);
  std::stable_sort(members.begin(), members.end(),
                   [](const auto* left, const auto* right) { return left->first < right->first; });
  char before = '{';
  for (const auto* member : members) {
    out += std::exchange(before, ',');
    mcp::append_json_string(out, member->first);
    out += ':';
    append(out, member->second);
  }
  out += members.empty() ? "{}" : "}";
}

// As deep as values get, which the reader bounds (limits::kMaximumJsonDepth).
void append(std::string& out, const Json& value) {
  if (value.is_object()) return append_object(out, value);
  if (!value.is_array()) return mcp::append_json(out, value);
  char before = '[';
  for (const Json& each : value) {
    out += std::exchange(before, ',');
    append(out, each);
  }
  out += value.empty() ? "[]" : "]";
}

}  // namespace

std::string canonical_json(const Json& value) {
  std::string text;
  append(text, value);
  return text;
}

}  // namespace pyember::host
