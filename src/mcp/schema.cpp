#include "mcp/schema.h"

#include "base/check.h"
#include "base/utf8.h"
#include "mcp/errors.h"
#include "mcp/nearest_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

namespace pyember::mcp {
namespace {

enum TypeBit : unsigned {
  kString = 1,
  kInteger = 2,
  kNumber = 4,
  kBoolean = 8,
  kObject = 16,
  kArray = 32,
  kNull = 64,
};
constexpr std::array<std::pair<std::string_view, unsigned>, 7> kTypes = {{{"string", kString},
                                                                          {"integer", kInteger},
                                                                          {"number", kNumber},
                                                                          {"boolean", kBoolean},
                                                                          {"object", kObject},
                                                                          {"array", kArray},
                                                                          {"null", kNull}}};

unsigned type_bit(const Json& name) {
  for (const auto& [known, bit] : kTypes) {
    if (name == known) return bit;
  }
  CHECK(!"a schema names a type that JSON Schema does not have");
  return 0;
}

unsigned types_of(const Json& type) {
  if (type.is_string()) return type_bit(type);
  unsigned bits = 0;
  for (const Json& name : type) bits |= type_bit(name);
  return bits;
}

// All types the value belongs to: 5 and 5.0 are integers and numbers.
unsigned types_of_value(const Json& value) {
  switch (value.type()) {
    case Json::value_t::string:
      return kString;
    case Json::value_t::boolean:
      return kBoolean;
    case Json::value_t::object:
      return kObject;
    case Json::value_t::array:
      return kArray;
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
      return kInteger | kNumber;
    case Json::value_t::number_float: {
      const double number = value.get<double>();
      return std::trunc(number) == number ? kInteger | kNumber : kNumber;
    }
    default:
      return kNull;
  }
}

std::string type_words(unsigned types) {
  std::string words;
  for (const auto& [name, bit] : kTypes) {
    if ((types & bit) == 0) continue;
    if (!words.empty()) words += " or ";
    words += name;
  }
  return words;
}

// A value as a message shows it: short.
std::string shown(const Json& value) {
  if (value.is_string()) return in_quotes(value.get_ref<const std::string&>());
  if (value.is_structured()) return fmt::format("an {}", value.type_name());
  return to_json_text(value);
}

bool is_annotation(std::string_view keyword) {
  constexpr std::array<std::string_view, 7> kKnown = {
      "title", "description", "default", "examples", "$schema", "deprecated", "x-mcp-header"};
  return std::find(kKnown.begin(), kKnown.end(), keyword) != kKnown.end();
}

}  // namespace

struct Schema::Node {
  struct Property {
    std::string name;
    std::unique_ptr<Node> schema;
    bool required = false;
  };

  unsigned types = ~0u;
  std::vector<Property> properties;
  bool additional_properties = true;
  Json allowed;  // enum; null: any
  std::optional<double> minimum, maximum, exclusive_minimum, exclusive_maximum;
  std::size_t minimum_length = 0;
  std::size_t maximum_length = std::numeric_limits<std::size_t>::max();
  std::unique_ptr<Node> items;

  void read_keyword(std::string_view keyword, const Json& value);
  void require(const Json& names);
  const Property* find(std::string_view name) const;
  std::vector<std::string_view> names() const;
};

const Schema::Node::Property* Schema::Node::find(std::string_view name) const {
  for (const Property& property : properties) {
    if (property.name == name) return &property;
  }
  return nullptr;
}

std::vector<std::string_view> Schema::Node::names() const {
  std::vector<std::string_view> names;
  for (const Property& property : properties) names.push_back(property.name);
  return names;
}

void Schema::Node::require(const Json& names) {
  for (const Json& name : names) {
    const auto property = std::find_if(properties.begin(), properties.end(),
                                       [&name](const Property& each) { return name == each.name; });
    CHECK(property != properties.end());  // a required property is described as well
    property->required = true;
  }
}

void Schema::Node::read_keyword(std::string_view keyword, const Json& value) {
  if (keyword == "type")
    types = types_of(value);
  else if (keyword == "enum")
    allowed = value;
  else if (keyword == "minimum")
    minimum = value.get<double>();
  else if (keyword == "maximum")
    maximum = value.get<double>();
  else if (keyword == "exclusiveMinimum")
    exclusive_minimum = value.get<double>();
  else if (keyword == "exclusiveMaximum")
    exclusive_maximum = value.get<double>();
  else if (keyword == "minLength")
    minimum_length = value.get<std::size_t>();
  else if (keyword == "maxLength")
    maximum_length = value.get<std::size_t>();
  else if (keyword == "additionalProperties")
    additional_properties = value.get<bool>();
  else if (keyword == "items")
    items = compile(value);
  else if (keyword == "properties") {
    for (const auto& [name, schema] : value.items()) properties.push_back({name, compile(schema)});
  } else {
    CHECK(keyword == "required" || is_annotation(keyword));
  }
}

std::unique_ptr<Schema::Node> Schema::compile(const Json& schema) {
  CHECK(schema.is_object());
  auto node = std::make_unique<Node>();
  for (const auto& [keyword, value] : schema.items()) node->read_keyword(keyword, value);
  if (schema.contains("required")) node->require(schema["required"]);
  return node;
}

// One pass over a value, gathering what is wrong with it.
class Schema::Checker {
 public:
  void check(const Node& node, const Json& value, const std::string& name);
  std::vector<std::string> take() { return std::move(problems_); }

 private:
  void check_number(const Node& node, const Json& value, const std::string& name);
  void check_string(const Node& node, const Json& value, const std::string& name);
  void check_object(const Node& node, const Json& value, const std::string& name);
  void check_required(const Node& node, const Json& value, const std::string& prefix);
  void check_array(const Node& node, const Json& value, const std::string& name);
  void unknown(const Node& node, std::string_view name);
  void add(std::string problem) {
    if (problems_.size() < kMaximumProblems) problems_.push_back(std::move(problem));
  }

  std::vector<std::string> problems_;
};

void Schema::Checker::check(const Node& node, const Json& value, const std::string& name) {
  if ((types_of_value(value) & node.types) == 0) {
    add(fmt::format("{} must be of type {}, and {} is not.", name, type_words(node.types),
                    shown(value)));
    return;
  }
  if (!node.allowed.is_null() &&
      std::find(node.allowed.begin(), node.allowed.end(), value) == node.allowed.end()) {
    add(fmt::format("{} must be one of {}, and {} is not.", name, to_json_text(node.allowed),
                    shown(value)));
    return;
  }
  if (value.is_number())
    check_number(node, value, name);
  else if (value.is_string())
    check_string(node, value, name);
  else if (value.is_object())
    check_object(node, value, name);
  else if (value.is_array())
    check_array(node, value, name);
}

void Schema::Checker::check_number(const Node& node, const Json& value, const std::string& name) {
  const double number = value.get<double>();
  const auto complain = [&](std::string_view bound, double limit) {
    add(fmt::format("{} must be {} {}, and {} is not.", name, bound, limit, shown(value)));
  };
  if (node.minimum && number < *node.minimum) complain("at least", *node.minimum);
  if (node.maximum && number > *node.maximum) complain("at most", *node.maximum);
  if (node.exclusive_minimum && number <= *node.exclusive_minimum) {
    complain("greater than", *node.exclusive_minimum);
  }
  if (node.exclusive_maximum && number >= *node.exclusive_maximum) {
    complain("less than", *node.exclusive_maximum);
  }
}

// Bytes are never fewer than characters, so most texts need no counting.
void Schema::Checker::check_string(const Node& node, const Json& value, const std::string& name) {
  const auto& text = value.get_ref<const std::string&>();
  if (node.minimum_length == 0 && text.size() <= node.maximum_length) return;
  const std::size_t characters = utf8::count_characters(text);
  if (characters < node.minimum_length) {
    add(fmt::format("{} must have at least {} characters, and it has {}.", name,
                    node.minimum_length, characters));
  }
  if (characters > node.maximum_length) {
    add(fmt::format("{} must have at most {} characters, and it has {}.", name, node.maximum_length,
                    characters));
  }
}

void Schema::Checker::check_object(const Node& node, const Json& value, const std::string& name) {
  const std::string prefix = name.empty() ? "" : name + ".";
  for (const auto& [key, member] : value.get_ref<const Json::object_t&>()) {
    const Node::Property* property = node.find(key);
    if (property != nullptr) {
      check(*property->schema, member, prefix + property->name);
    } else if (!node.additional_properties) {
      unknown(node, key);
    }
  }
  check_required(node, value, prefix);
}

void Schema::Checker::check_required(const Node& node, const Json& value,
                                     const std::string& prefix) {
  for (const Node::Property& property : node.properties) {
    if (property.required && !value.contains(property.name)) {
      add(fmt::format("{}{} is required and missing.", prefix, property.name));
    }
  }
}

void Schema::Checker::check_array(const Node& node, const Json& value, const std::string& name) {
  if (!node.items) return;
  std::size_t index = 0;
  for (const Json& element : value)
    check(*node.items, element, fmt::format("{}[{}]", name, index++));
}

void Schema::Checker::unknown(const Node& node, std::string_view name) {
  const std::string_view nearest = nearest_name(name, node.names());
  add(nearest.empty() ? fmt::format("{} is not an argument of it.", in_quotes(name))
                      : fmt::format("{} is not an argument of it; did you mean {}?",
                                    in_quotes(name), in_quotes(nearest)));
}

Schema::Schema(const Json& schema) : root_(compile(schema)) {}
Schema::~Schema() = default;
Schema::Schema(Schema&&) noexcept = default;

std::vector<std::string> Schema::check(const Json& value) const {
  Checker checker;
  checker.check(*root_, value, "");
  return checker.take();
}

std::vector<std::string_view> Schema::property_names() const { return root_->names(); }

}  // namespace pyember::mcp
