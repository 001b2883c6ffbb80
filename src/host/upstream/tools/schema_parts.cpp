#include "host/upstream/tools/schema_parts.h"

#include <algorithm>
#include <array>

#include "host/upstream/tools/argument_check.h"
#include "mcp/json_members.h"

namespace pyember::host {

using mcp::Json;

namespace {

constexpr int kReferencesFollowed = 16;

// A step of a JSON pointer: ~1 is a slash, ~0 a tilde.
std::string unescaped(std::string_view step) {
  std::string out;
  for (std::size_t i = 0; i < step.size(); ++i) {
    if (step[i] == '~' && i + 1 < step.size() && (step[i + 1] == '0' || step[i + 1] == '1')) {
      out += step[++i] == '0' ? '~' : '/';
    } else {
      out += step[i];
    }
  }
  return out;
}

// What "#/$defs/Label" names.
const Json* at_pointer(const Json& root, std::string_view reference) {
  if (!reference.starts_with('#')) return nullptr;
  reference.remove_prefix(1);
  const Json* place = &root;
  while (!reference.empty()) {
    if (reference.front() != '/') return nullptr;
    reference.remove_prefix(1);
    const std::size_t end = std::min(reference.find('/'), reference.size());
    if (!place->is_object()) return nullptr;
    const auto member = place->find(unescaped(reference.substr(0, end)));
    if (member == place->end()) return nullptr;
    place = &*member;
    reference.remove_prefix(end);
  }
  return place;
}

}  // namespace

const Json* resolved_schema(const Json& schema, const Json& root) {
  const Json* place = &schema;
  for (int i = 0; i < kReferencesFollowed; ++i) {
    if (!place->is_object() || !place->contains("$ref")) return place;
    place = at_pointer(root, mcp::text_in(*place, "$ref"));
    if (place == nullptr) return nullptr;
  }
  return nullptr;
}

const Json& object_member(const Json& schema, std::string_view name) {
  static const Json kEmpty = Json::object();
  if (!schema.is_object()) return kEmpty;
  const auto member = schema.find(name);
  return member != schema.end() && member->is_object() ? *member : kEmpty;
}

const Json* default_of(const Json& schema, const Json& root) {
  for (const Json* place : {&schema, resolved_schema(schema, root)}) {
    if (place == nullptr || !place->is_object()) continue;
    if (const auto value = place->find("default"); value != place->end()) return &*value;
  }
  return nullptr;
}

bool is_required(const Json& schema, std::string_view name) {
  if (!schema.is_object()) return false;
  const auto names = schema.find("required");
  if (names == schema.end() || !names->is_array()) return false;
  return std::find(names->begin(), names->end(), Json(name)) != names->end();
}

bool is_python_name(std::string_view name) {
  static constexpr std::array<std::string_view, 35> kKeywords = {
      "False", "None",     "True",  "and",    "as",   "assert", "async",  "await",    "break",
      "class", "continue", "def",   "del",    "elif", "else",   "except", "finally",  "for",
      "from",  "global",   "if",    "import", "in",   "is",     "lambda", "nonlocal", "not",
      "or",    "pass",     "raise", "return", "try",  "while",  "with",   "yield"};
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  if (name.empty() || !is_letter(name.front())) return false;
  const bool plain = std::all_of(name.begin(), name.end(), [&is_letter](char c) {
    return is_letter(c) || (c >= '0' && c <= '9');
  });
  return plain && std::find(kKeywords.begin(), kKeywords.end(), name) == kKeywords.end();
}

std::vector<std::string> parameter_order(const Json& input_schema) {
  std::vector<std::string> required;
  std::vector<std::string> optional;
  for (const auto& member : object_member(input_schema, "properties").items()) {
    (is_required(input_schema, member.key()) ? required : optional).push_back(member.key());
  }
  required.insert(required.end(), optional.begin(), optional.end());
  return required;
}

}  // namespace pyember::host
