#include "host/upstream/tools/python_types.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "host/upstream/tools/schema_parts.h"
#include "mcp/json_members.h"

namespace pyember::host {

using mcp::Json;

namespace {

constexpr int kDeepest = 4;                 // list[dict[str, list[…]]] tells nobody more
constexpr std::size_t kAlternatives = 8;    // of a union; more are Any
constexpr std::size_t kLiteralBytes = 400;  // of all values of an enum; more are their type
constexpr std::size_t kTypeBytes = 1000;

constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kTypes = {
    {{"string", "str"},
     {"integer", "int"},
     {"number", "float"},
     {"boolean", "bool"},
     {"null", "None"},
     {"array", "list"},
     {"object", "dict"}}};

// A string as Python quotes it. What is no ASCII letter is written as it is: source is UTF-8.
std::string python_string(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out = "'";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\'' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += "\\x";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    } else {
      out += c;
    }
  }
  return out + '\'';
}

// Stops when there is too much of it.
void append_literal(std::string& out, const Json& value, std::size_t most) {
  if (out.size() > most) return;
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    out += text.size() > most ? std::string(most + 1, '.') : python_string(text);
  } else if (value.is_boolean()) {
    out += value.get<bool>() ? "True" : "False";
  } else if (value.is_null()) {
    out += "None";
  } else if (value.is_array()) {
    const char* before = "[";
    for (const Json& element : value) {
      if (out.size() > most) break;
      out += std::exchange(before, ", ");
      append_literal(out, element, most);
    }
    out += value.empty() ? "[]" : "]";
  } else if (value.is_object()) {
    const char* before = "{";
    for (const auto& member : value.items()) {
      if (out.size() > most) break;
      out += std::exchange(before, ", ") + python_string(utf8::head(member.key(), most)) + ": ";
      append_literal(out, member.value(), most);
    }
    out += value.empty() ? "{}" : "}";
  } else {
    out += mcp::to_json_text(value);
  }
}

class TypeWriter {
 public:
  explicit TypeWriter(const Json& root) : root_(root) {}

  std::string type(const Json& schema, int depth) const {
    if (depth > kDeepest) return "Any";
    const Json* place = resolved_schema(schema, root_);
    if (place == nullptr || !place->is_object()) return "Any";
    if (const auto values = place->find("enum"); values != place->end() && values->is_array()) {
      return literals(*values);
    }
    if (const auto value = place->find("const"); value != place->end()) {
      return literals(Json::array({*value}));
    }
    std::string text = form(*place, depth);
    const bool null_too = mcp::flag_in(*place, "nullable") && text != "Any";  // OpenAPI's word
    return null_too ? text + " | None" : text;
  }

 private:
  std::string form(const Json& schema, int depth) const {
    for (const char* word : {"anyOf", "oneOf"}) {
      if (const auto forms = schema.find(word); forms != schema.end()) return any(*forms, depth);
    }
    const auto types = schema.find("type");
    if (types == schema.end()) return untyped(schema, depth);
    if (types->is_string()) return named(types->get_ref<const std::string&>(), schema, depth);
    std::vector<std::string> names;
    for (const std::string& name : mcp::texts_in(schema, "type")) {
      names.push_back(named(name, schema, depth));
    }
    return joined(std::move(names));
  }

  std::string untyped(const Json& schema, int depth) const {
    if (!object_member(schema, "properties").empty()) return "dict";
    if (schema.contains("items")) return named("array", schema, depth);
    const auto all = schema.find("allOf");
    const bool one = all != schema.end() && all->is_array() && all->size() == 1;
    return one ? type(all->front(), depth + 1) : "Any";
  }

  std::string any(const Json& forms, int depth) const {
    if (!forms.is_array()) return "Any";
    std::vector<std::string> names;
    for (const Json& form : forms) {
      if (names.size() > kAlternatives) break;
      names.push_back(type(form, depth + 1));
    }
    return joined(std::move(names));
  }

  std::string named(const std::string& name, const Json& schema, int depth) const {
    if (name == "array" && schema.contains("items")) return "list[" + inner(schema, "items", depth);
    if (name == "object" && object_member(schema, "properties").empty() &&
        !object_member(schema, "additionalProperties").empty()) {
      return "dict[str, " + inner(schema, "additionalProperties", depth);
    }
    const std::string_view word = python_type_word(name);
    return word.empty() ? "Any" : std::string(word);
  }

  std::string inner(const Json& schema, const char* name, int depth) const {
    return type(schema.at(name), depth + 1) + ']';
  }

  // A union, None last; Any when one of them is.
  static std::string joined(std::vector<std::string> names) {
    std::vector<std::string> kept;
    bool none = false;
    for (std::string& name : names) {
      if (name == "Any") return name;
      if (name == "None") {
        none = true;
      } else if (std::find(kept.begin(), kept.end(), name) == kept.end()) {
        kept.push_back(std::move(name));
      }
    }
    if (none) kept.emplace_back("None");
    if (kept.empty() || kept.size() > kAlternatives) return "Any";
    std::string text = kept.front();
    for (std::size_t i = 1; i < kept.size(); ++i) text += " | " + kept[i];
    return text;
  }

  std::string literals(const Json& values) const {
    std::string text = "Literal[";
    std::vector<std::string> types;
    const char* before = "";
    for (const Json& value : values) {
      if (value.is_structured() || value.is_number_float())
        return "Any";  // no literals of Python's
      if (types.size() < 1000) types.emplace_back(type_of(value));
      if (text.size() > kLiteralBytes) continue;
      text += std::exchange(before, ", ");
      append_literal(text, value, kLiteralBytes);
    }
    if (types.empty()) return "Any";
    return text.size() > kLiteralBytes ? joined(std::move(types)) : text + ']';
  }

  static std::string_view type_of(const Json& value) {
    if (value.is_string()) return "str";
    if (value.is_boolean()) return "bool";
    return value.is_null() ? "None" : "int";
  }

  const Json& root_;
};

}  // namespace

std::string_view python_type_word(std::string_view json_type) {
  for (const auto& [json, python] : kTypes) {
    if (json == json_type) return python;
  }
  return {};
}

std::string python_type(const Json& schema, const Json& root) {
  std::string text = TypeWriter(root).type(schema, 0);
  return text.size() > kTypeBytes ? "Any" : text;
}

std::string python_literal(const Json& value, std::size_t most) {
  std::string text;
  append_literal(text, value, most);
  return text.size() > most ? "..." : text;
}

}  // namespace pyember::host
