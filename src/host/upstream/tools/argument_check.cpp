#include "host/upstream/tools/argument_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <utility>

#include "base/limits.h"
#include "base/utf8.h"
#include "host/upstream/tools/python_types.h"
#include "host/upstream/tools/schema_parts.h"
#include "host/upstream/tools/tool_docs.h"
#include "mcp/json_members.h"
#include "mcp/nearest_name.h"

// mcp/schema.h checks our own schemas, and takes any keyword it doesn't know for our mistake. These
// here are other people's: every keyword is allowed, and what isn't understood checks nothing.
namespace pyember::host {

using mcp::Json;

namespace {

constexpr std::size_t kMostProblems = 5;
constexpr std::size_t kShownValue = 60;
constexpr std::size_t kShownNames = 300;
constexpr int kDeepest = 64;  // as deep as a message may be, and references don't loop for ever

// The value itself when it is short, else what it is.
std::string shown(const Json& value) {
  const std::string text = python_literal(value, kShownValue);
  if (text != "...") return text;
  if (value.is_array()) return "this list";
  return value.is_object() ? "this dict" : "this text";
}

bool is_of_type(const Json& value, std::string_view type) {
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "null") return value.is_null();
  if (type == "array") return value.is_array();
  if (type == "object") return value.is_object();
  if (type == "number") return value.is_number();
  if (type != "integer") return true;  // no type of JSON Schema's
  if (!value.is_number_float()) return value.is_number();
  const double number = value.get<double>();
  return std::trunc(number) == number;
}

// A type that is no text, or no type that we know, is any.
bool fits_type(const Json& schema, const Json& value) {
  const auto type = schema.find("type");
  if (type == schema.end()) return true;
  if (type->is_string()) return is_of_type(value, type->get_ref<const std::string&>());
  if (!type->is_array() || type->empty()) return true;
  return std::any_of(type->begin(), type->end(), [&value](const Json& each) {
    return !each.is_string() || is_of_type(value, each.get_ref<const std::string&>());
  });
}

std::vector<std::string_view> names_of(const Json& properties) {
  std::vector<std::string_view> names;
  for (const auto& [name, schema] : properties.get_ref<const Json::object_t&>()) {
    names.emplace_back(name);
  }
  return names;
}

class Checker {
 public:
  explicit Checker(const Json& root) : root_(root) {}

  void check(const Json& schema, const Json& value, const std::string& name, int depth);
  std::vector<std::string> take() { return std::move(problems_); }

 private:
  bool check_type(const Json& schema, const Json& value, const std::string& name);
  bool check_values(const Json& schema, const Json& value, const std::string& name);
  void check_forms(const Json& schema, const Json& value, const std::string& name, int depth);
  void check_any(const Json& schema, const Json& forms, const Json& value, const std::string& name,
                 int depth);
  void check_number(const Json& schema, const Json& value, const std::string& name);
  void check_string(const Json& schema, const Json& value, const std::string& name);
  void check_array(const Json& schema, const Json& value, const std::string& name, int depth);
  void check_object(const Json& schema, const Json& value, const std::string& name, int depth);
  void check_required(const Json& schema, const Json& value, const std::string& prefix);
  bool takes_no_others(const Json& schema, bool outermost) const;
  void unknown(const Json& properties, std::string_view key, const std::string& prefix);

  bool spend(std::size_t steps = 1) {
    steps_ += steps;
    return steps_ <= limits::kArgumentSteps && problems_.size() < kMostProblems;
  }
  void add(std::string problem) {
    if (problems_.size() < kMostProblems) problems_.push_back(std::move(problem));
  }

  const Json& root_;
  std::size_t steps_ = 0;
  std::vector<std::string> problems_;
};

void Checker::check(const Json& schema, const Json& value, const std::string& name, int depth) {
  if (depth > kDeepest || !spend()) return;
  const Json* place = resolved_schema(schema, root_);
  if (place == nullptr || !place->is_object()) return;
  if (value.is_null() && mcp::flag_in(*place, "nullable")) return;
  if (!check_type(*place, value, name) || !check_values(*place, value, name)) return;
  if (value.is_number()) check_number(*place, value, name);
  if (value.is_string()) check_string(*place, value, name);
  if (value.is_array()) check_array(*place, value, name, depth);
  if (value.is_object()) check_object(*place, value, name, depth);
  check_forms(*place, value, name, depth);
}

bool Checker::check_type(const Json& schema, const Json& value, const std::string& name) {
  if (fits_type(schema, value)) return true;
  const std::string wanted = python_type(schema, root_);
  add(value.is_null()
          ? fmt::format("{} must be {}, and not None; leave it out to send none", name, wanted)
          : fmt::format("{} must be {}, and {} is not", name, wanted, shown(value)));
  return false;
}

bool Checker::check_values(const Json& schema, const Json& value, const std::string& name) {
  if (const auto only = schema.find("const"); only != schema.end() && *only != value) {
    add(fmt::format("{} must be {}, and {} is not", name, shown(*only), shown(value)));
    return false;
  }
  const auto values = schema.find("enum");
  if (values == schema.end() || !values->is_array() || !spend(values->size())) return true;
  if (std::find(values->begin(), values->end(), value) != values->end()) return true;
  std::vector<std::string_view> texts;
  for (const Json& each : *values) {
    if (each.is_string()) texts.emplace_back(each.get_ref<const std::string&>());
  }
  std::string_view near;
  if (value.is_string()) near = mcp::nearest_name(value.get_ref<const std::string&>(), texts);
  add(fmt::format("{} must be one of {}, and {} is not{}", name,
                  python_literal(*values, kShownNames), shown(value),
                  near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near)));
  return false;
}

// allOf: each of them must fit. anyOf and oneOf: one must; that no second one of oneOf fits is left
// to the upstream.
void Checker::check_forms(const Json& schema, const Json& value, const std::string& name,
                          int depth) {
  if (const auto all = schema.find("allOf"); all != schema.end() && all->is_array()) {
    for (const Json& each : *all) check(each, value, name, depth + 1);
  }
  for (const char* word : {"anyOf", "oneOf"}) {
    const auto forms = schema.find(word);
    if (forms == schema.end() || !forms->is_array() || forms->empty()) continue;
    check_any(schema, *forms, value, name, depth);
  }
}

// When none fits, the form of the value's type that it is nearest to was meant.
void Checker::check_any(const Json& schema, const Json& forms, const Json& value,
                        const std::string& name, int depth) {
  std::vector<std::string> before = std::move(problems_);
  std::vector<std::string> nearest;
  bool fits = false;
  for (const Json& form : forms) {
    problems_.clear();
    check(form, value, name, depth + 1);
    fits = problems_.empty();
    if (fits) break;
    const Json* place = resolved_schema(form, root_);
    const bool meant = value.is_structured() && place != nullptr && fits_type(*place, value);
    if (meant && (nearest.empty() || problems_.size() < nearest.size())) nearest = problems_;
  }
  problems_ = std::move(before);
  if (fits) return;
  for (std::string& problem : nearest) add(std::move(problem));
  if (!nearest.empty()) return;
  const std::string wanted = python_type(schema, root_);
  add(fmt::format("{} must be {}, and {} is not", name,
                  wanted == "Any" ? "of another form" : wanted, shown(value)));
}

void Checker::check_number(const Json& schema, const Json& value, const std::string& name) {
  struct Bound {
    const char* keyword;
    const char* words;
    bool (*fits)(double, double);
  };
  static constexpr std::array<Bound, 4> kBounds = {{
      {"minimum", "at least", [](double number, double bound) { return number >= bound; }},
      {"maximum", "at most", [](double number, double bound) { return number <= bound; }},
      {"exclusiveMinimum", "above", [](double number, double bound) { return number > bound; }},
      {"exclusiveMaximum", "below", [](double number, double bound) { return number < bound; }},
  }};
  const double number = value.get<double>();
  for (const Bound& bound : kBounds) {
    const auto member = schema.find(bound.keyword);
    if (member == schema.end() || !member->is_number()) continue;
    if (bound.fits(number, member->get<double>())) continue;
    add(fmt::format("{} must be {} {}, and {} is not", name, bound.words, shown(*member),
                    shown(value)));
  }
}

void Checker::check_string(const Json& schema, const Json& value, const std::string& name) {
  const auto least = schema.find("minLength");
  const auto most = schema.find("maxLength");
  const bool bounded = (least != schema.end() && least->is_number_unsigned()) ||
                       (most != schema.end() && most->is_number_unsigned());
  if (!bounded) return;
  const std::uint64_t length = utf8::count_characters(value.get_ref<const std::string&>());
  if (least != schema.end() && least->is_number_unsigned() &&
      length < least->get<std::uint64_t>()) {
    add(fmt::format("{} must have at least {} characters, and it has {}", name, shown(*least),
                    length));
  }
  if (most != schema.end() && most->is_number_unsigned() && length > most->get<std::uint64_t>()) {
    add(fmt::format("{} must have at most {} characters, and it has {}", name, shown(*most),
                    length));
  }
}

void Checker::check_array(const Json& schema, const Json& value, const std::string& name,
                          int depth) {
  const auto least = schema.find("minItems");
  if (least != schema.end() && least->is_number_unsigned() &&
      value.size() < least->get<std::uint64_t>()) {
    add(fmt::format("{} must have at least {} items, and it has {}", name, shown(*least),
                    value.size()));
  }
  const auto most = schema.find("maxItems");
  if (most != schema.end() && most->is_number_unsigned() &&
      value.size() > most->get<std::uint64_t>()) {
    add(fmt::format("{} must have at most {} items, and it has {}", name, shown(*most),
                    value.size()));
  }
  const auto items = schema.find("items");
  if (items == schema.end() || schema.contains("prefixItems")) return;
  std::size_t index = 0;
  for (const Json& element : value) {
    if (!spend()) return;
    check(*items, element, fmt::format("{}[{}]", name, index++), depth + 1);
  }
}

void Checker::check_required(const Json& schema, const Json& value, const std::string& prefix) {
  for (const std::string& name : mcp::texts_in(schema, "required")) {
    if (!spend(1 + value.size() / 8)) return;
    if (value.contains(name)) continue;
    const Json& property = object_member(object_member(schema, "properties"), name);
    if (default_of(property, root_) != nullptr) continue;
    add(fmt::format("{}{} ({}) is required and missing", prefix, name,
                    python_type(property, root_)));
  }
}

// Whether names that `properties` does not have are mistakes. Of the tool's own arguments they are
// when the schema says nothing of others, as they would be in a call of Python's.
bool Checker::takes_no_others(const Json& schema, bool outermost) const {
  if (const auto others = schema.find("additionalProperties"); others != schema.end()) {
    return others->is_boolean() && !others->get<bool>() && !schema.contains("patternProperties");
  }
  if (!outermost || object_member(schema, "properties").empty()) return false;
  constexpr std::array<const char*, 10> kMayNameOthers = {"patternProperties",
                                                          "unevaluatedProperties",
                                                          "propertyNames",
                                                          "anyOf",
                                                          "oneOf",
                                                          "allOf",
                                                          "if",
                                                          "dependentSchemas",
                                                          "dependencies",
                                                          "$dynamicRef"};
  return std::none_of(kMayNameOthers.begin(), kMayNameOthers.end(),
                      [&schema](const char* word) { return schema.contains(word); });
}

void Checker::unknown(const Json& properties, std::string_view key, const std::string& prefix) {
  const std::string_view near = mcp::nearest_name(key, names_of(properties));
  add(fmt::format("there is no argument {}{}{}", prefix, utf8::head(key, kShownValue),
                  near.empty() ? "" : fmt::format(" (did you mean {}?)", near)));
}

void Checker::check_object(const Json& schema, const Json& value, const std::string& name,
                           int depth) {
  const std::string prefix = name.empty() ? "" : name + '.';
  const Json& properties = object_member(schema, "properties");
  const bool no_others = takes_no_others(schema, depth == 0);
  for (const auto& [key, member] : value.get_ref<const Json::object_t&>()) {
    if (!spend(1 + properties.size() / 8)) return;  // looked up one by one
    const auto property = properties.find(key);
    if (property != properties.end()) {
      check(*property, member, prefix + key, depth + 1);
    } else if (no_others) {
      unknown(properties, key, prefix);
    } else if (!schema.contains("patternProperties")) {
      check(object_member(schema, "additionalProperties"), member, prefix + key, depth + 1);
    }
  }
  check_required(schema, value, prefix);
}

}  // namespace

std::optional<std::string> argument_mistake(const ServerTools& server, const ToolDescription& tool,
                                            const Json& arguments) {
  Checker checker(tool.input_schema);
  checker.check(tool.input_schema, arguments.is_null() ? Json::object() : arguments, "", 0);
  const std::vector<std::string> problems = checker.take();
  if (problems.empty()) return std::nullopt;
  std::string what;
  for (const std::string& problem : problems) what += (what.empty() ? "" : "; ") + problem;
  return fmt::format("Nothing was sent to {}.{}: {}. Call mcp_{}.{}.", server.server, tool.name,
                     what, server.alias, tool_signature(tool));
}

}  // namespace pyember::host
