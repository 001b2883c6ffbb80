#include "mcp/parameter_headers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "mcp/errors.h"

namespace pyember::mcp {
namespace {

constexpr std::string_view kMark = "x-mcp-header";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

// RFC 9110's token.
bool is_token(std::string_view text) {
  constexpr std::string_view kAllowed = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') ||
           kAllowed.find(c) != std::string_view::npos;
  });
}

bool goes_into_a_header(const Json& schema) {
  const auto type = schema.find("type");
  return type != schema.end() && (*type == "string" || *type == "integer" || *type == "boolean");
}

// Walks a schema. Recursion is bounded by the depth that the reader of JSON allows.
class Walk {
 public:
  // `reachable`: through "properties" alone.
  void schema(const Json& value, bool reachable) {
    if (!value.is_object() || !mistake_.empty()) return;
    if (const auto mark = value.find(kMark); mark != value.end()) add(*mark, value, reachable);
    for (const auto& [key, member] : value.items()) {
      if (key == "properties") {
        properties(member, reachable);
      } else if (key == "$defs" || key == "definitions" || key == "patternProperties" ||
                 key == "dependentSchemas") {
        if (member.is_object()) {
          for (const Json& each : member) schema(each, false);
        }
      } else if (key != "enum" && key != "const" && key != "default" && key != "examples") {
        schema(member, false);
        if (member.is_array()) {
          for (const Json& each : member) schema(each, false);
        }
      }
    }
  }

  Result<std::vector<ParameterHeader>> take() {
    if (!mistake_.empty()) return Error{ErrorCode::InvalidArgument, std::move(mistake_)};
    return std::move(found_);
  }

 private:
  void properties(const Json& members, bool reachable) {
    if (!members.is_object()) return;
    for (const auto& [name, member] : members.items()) {
      path_.push_back(name);
      schema(member, reachable);
      path_.pop_back();
    }
  }

  void add(const Json& mark, const Json& value, bool reachable) {
    if (!mark.is_string() || !is_token(mark.get_ref<const std::string&>())) {
      mistake_ = fmt::format("an {} is not the name of a header", kMark);
      return;
    }
    const std::string& name = mark.get_ref<const std::string&>();
    if (!reachable || path_.empty()) {
      mistake_ = fmt::format("the {} {} does not stand at a property", kMark, in_quotes(name));
    } else if (!goes_into_a_header(value)) {
      mistake_ = fmt::format("the {} {} stands at what is no string, integer or boolean", kMark,
                             in_quotes(name));
    } else if (std::any_of(found_.begin(), found_.end(), [&](const ParameterHeader& known) {
                 return same_ignoring_case(known.name, name);
               })) {
      mistake_ = fmt::format("the {} {} is there twice", kMark, in_quotes(name));
    } else {
      found_.push_back({name, path_});
    }
  }

  std::vector<ParameterHeader> found_;
  std::vector<std::string> path_;
  std::string mistake_;
};

}  // namespace

Result<std::vector<ParameterHeader>> parameter_headers(const Json& input_schema) {
  Walk walk;
  walk.schema(input_schema, true);
  return walk.take();
}

const Json* parameter_value(const ParameterHeader& header, const Json& arguments) {
  const Json* place = &arguments;
  for (const std::string& name : header.path) {
    if (!place->is_object()) return nullptr;
    const auto member = place->find(name);
    if (member == place->end()) return nullptr;
    place = &*member;
  }
  return place;
}

std::vector<std::pair<std::string, std::string>> header_values(
    const std::vector<ParameterHeader>& headers, const Json& arguments) {
  std::vector<std::pair<std::string, std::string>> values;
  for (const ParameterHeader& header : headers) {
    const Json* const value = parameter_value(header, arguments);
    if (value == nullptr) continue;
    if (value->is_string()) {
      values.emplace_back(header.name, value->get_ref<const std::string&>());
    } else if (value->is_number_integer() || value->is_boolean()) {
      values.emplace_back(header.name, to_json_text(*value));
    }
  }
  return values;
}

}  // namespace pyember::mcp
