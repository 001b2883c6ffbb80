#include "mcp/form.h"

#include "base/limits.h"
#include "base/utf8.h"
#include "mcp/errors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string_view>

namespace pyember::mcp {
namespace {

Error no_form(std::string message) { return {ErrorCode::InvalidArgument, std::move(message)}; }

const Json* member(const Json& object, std::string_view name) {
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

std::string text_in(const Json& object, std::string_view name) {
  const Json* found = member(object, name);
  return found != nullptr && found->is_string() ? found->get<std::string>() : std::string();
}

bool is_texts(const Json& value) {
  return value.is_array() && !value.empty() && value.size() <= limits::kFormChoices &&
         std::all_of(value.begin(), value.end(), [](const Json& each) { return each.is_string(); });
}

// [{"const":…,"title":…}, …], as oneOf and anyOf have it.
bool is_titled(const Json& value) {
  return value.is_array() && !value.empty() && value.size() <= limits::kFormChoices &&
         std::all_of(value.begin(), value.end(), [](const Json& each) {
           return each.is_object() && each.contains("const") && each["const"].is_string() &&
                  each.contains("title") && each["title"].is_string();
         });
}

bool is_count(const Json& value) {
  return value.is_number_unsigned() ||
         (value.is_number_integer() && value.get<std::int64_t>() >= 0);
}

// --- a schema, read ------------------------------------------------------------------------------

// What a keyword's value must be.
enum class Kind { Text, Number, Count, Format, Texts, Titled, Items, Flag, Default };

struct Keyword {
  std::string_view type;  // of fields that may have it; empty: any
  std::string_view name;
  Kind kind;
};

constexpr std::array kKeywords = {
    Keyword{"", "title", Kind::Text},
    Keyword{"", "description", Kind::Text},
    Keyword{"", "default", Kind::Default},
    Keyword{"string", "minLength", Kind::Count},
    Keyword{"string", "maxLength", Kind::Count},
    Keyword{"string", "format", Kind::Format},
    Keyword{"string", "enum", Kind::Texts},
    Keyword{"string", "enumNames", Kind::Texts},
    Keyword{"string", "oneOf", Kind::Titled},
    Keyword{"number", "minimum", Kind::Number},
    Keyword{"number", "maximum", Kind::Number},
    Keyword{"array", "minItems", Kind::Count},
    Keyword{"array", "maxItems", Kind::Count},
    Keyword{"array", "uniqueItems", Kind::Flag},
    Keyword{"array", "items", Kind::Items},
};

// Say nothing that a form could show.
constexpr std::array<std::string_view, 6> kIgnored = {
    "$schema", "$id", "additionalProperties", "deprecated", "examples", "$comment"};
constexpr std::array<std::string_view, 4> kFormats = {"email", "uri", "date", "date-time"};

bool is_ignored(std::string_view keyword) {
  return std::find(kIgnored.begin(), kIgnored.end(), keyword) != kIgnored.end();
}

bool is_choices(const Json& items) {
  if (!items.is_object()) return false;
  const Json* any = member(items, "anyOf");
  if (any != nullptr) return items.size() == 1 && is_titled(*any);
  const Json* texts = member(items, "enum");
  const std::size_t known = 1 + (text_in(items, "type") == "string" ? 1u : 0u);
  return texts != nullptr && is_texts(*texts) && items.size() == known;
}

bool fits(const Json& value, Kind kind) {
  switch (kind) {
    case Kind::Text:
      return value.is_string();
    case Kind::Number:
      return value.is_number();
    case Kind::Count:
      return is_count(value);
    case Kind::Format:
      return value.is_string() && std::find(kFormats.begin(), kFormats.end(),
                                            value.get<std::string>()) != kFormats.end();
    case Kind::Texts:
      return is_texts(value);
    case Kind::Titled:
      return is_titled(value);
    case Kind::Items:
      return is_choices(value);
    case Kind::Flag:
      return value.is_boolean();
    case Kind::Default:
      return value.is_primitive() || (value.is_array() && (value.empty() || is_texts(value)));
  }
  return false;
}

const Keyword* keyword_of(std::string_view type, std::string_view name) {
  const std::string_view kind = type == "integer" ? "number" : type;
  const auto found = std::find_if(kKeywords.begin(), kKeywords.end(), [&](const Keyword& each) {
    return each.name == name && (each.type.empty() || each.type == kind);
  });
  return found == kKeywords.end() ? nullptr : found;
}

bool is_field_type(std::string_view type) {
  return type == "string" || type == "number" || type == "integer" || type == "boolean" ||
         type == "array";
}

// A choice may leave its type out: it is a text's.
std::string type_of(const Json& field) {
  const std::string type = text_in(field, "type");
  if (type.empty() && !field.contains("type") &&
      (field.contains("enum") || field.contains("oneOf"))) {
    return "string";
  }
  return type;
}

std::optional<std::string> value_mistake(const Json& field, const Json& value,
                                         const std::string& name);

Result<Json> read_field(const std::string& name, const Json& field) {
  const std::string shown = in_quotes(name);
  const std::string type = field.is_object() ? type_of(field) : std::string();
  if (!is_field_type(type)) {
    return no_form(
        fmt::format("the field {} has a type that forms don't have: they have string, "
                    "number, integer, boolean, and arrays of choices",
                    shown));
  }
  Json read = {{"type", type}};
  for (const auto& [word, value] : field.items()) {
    if (word == "type" || is_ignored(word)) continue;
    const Keyword* keyword = keyword_of(type, word);
    if (keyword == nullptr || !fits(value, keyword->kind)) {
      return no_form(
          fmt::format("the field {} has {}, which forms don't have for a field of type "
                      "{}, or not with that value",
                      shown, in_quotes(word), type));
    }
    read[word] = value;
  }
  if (type == "array" && !read.contains("items")) {
    return no_form(fmt::format("the field {} is an array and does not list its choices", shown));
  }
  if (const Json* preset = member(read, "default");
      preset != nullptr && value_mistake(read, *preset, name)) {
    return no_form(fmt::format("the default of the field {} is no value that it may have", shown));
  }
  return read;
}

// --- an answer, checked --------------------------------------------------------------------------

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char each) { return each >= '0' && each <= '9'; });
}

int number_at(std::string_view text, std::size_t begin, std::size_t length) {
  int number = 0;
  std::from_chars(text.data() + begin, text.data() + begin + length, number);
  return number;
}

bool is_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  if (!all_digits(text.substr(0, 4)) || !all_digits(text.substr(5, 2)) ||
      !all_digits(text.substr(8, 2))) {
    return false;
  }
  const int month = number_at(text, 5, 2);
  const int day = number_at(text, 8, 2);
  return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

// 2026-01-02T03:04:05[.678](Z|+01:00)
bool is_date_time(std::string_view text) {
  if (text.size() < 20 || !is_date(text.substr(0, 10))) return false;
  if ((text[10] != 'T' && text[10] != 't') || text[13] != ':' || text[16] != ':') return false;
  for (const std::size_t begin : {11u, 14u, 17u}) {
    if (!all_digits(text.substr(begin, 2))) return false;
  }
  std::string_view rest = text.substr(19);
  if (rest.front() == '.') {
    const std::size_t end = rest.find_first_not_of("0123456789", 1);
    if (end == 1 || end == std::string_view::npos) return false;
    rest = rest.substr(end);
  }
  if (rest == "Z" || rest == "z") return true;
  return rest.size() == 6 && (rest[0] == '+' || rest[0] == '-') && rest[3] == ':' &&
         all_digits(rest.substr(1, 2)) && all_digits(rest.substr(4, 2));
}

bool has_format(std::string_view text, std::string_view format) {
  if (format == "date") return is_date(text);
  if (format == "date-time") return is_date_time(text);
  if (text.find_first_of(" \t\r\n") != std::string_view::npos) return false;
  if (format == "email") {
    const std::size_t at = text.find('@');
    return at != std::string_view::npos && at > 0 && at + 1 < text.size() &&
           text.find('@', at + 1) == std::string_view::npos;
  }
  const std::size_t colon = text.find(':');
  return colon != std::string_view::npos && colon > 0 && colon + 1 < text.size();
}

bool is_choice(const Json& choices, const Json& value) {
  for (const Json& each : choices) {
    if ((each.is_object() ? each["const"] : each) == value) return true;
  }
  return false;
}

// The choices of a field, or of an array's elements; null: any text.
const Json* choices_of(const Json& field) {
  for (const std::string_view word : {"enum", "oneOf", "anyOf"}) {
    if (const Json* found = member(field, word)) return found;
  }
  return nullptr;
}

std::optional<std::string> text_mistake(const Json& field, const Json& value,
                                        const std::string& name) {
  if (!value.is_string()) return name + " must be a text";
  const auto& text = value.get_ref<const std::string&>();
  const Json* choices = choices_of(field);
  if (choices != nullptr && !is_choice(*choices, value)) return name + " is none of its choices";
  const std::size_t characters = utf8::count_characters(text);
  const Json* least = member(field, "minLength");
  const Json* most = member(field, "maxLength");
  if ((least != nullptr && characters < least->get<std::uint64_t>()) ||
      (most != nullptr && characters > most->get<std::uint64_t>())) {
    return fmt::format("{} has {} characters, which is not as many as it may have", name,
                       characters);
  }
  const std::string format = text_in(field, "format");
  if (!format.empty() && !has_format(text, format)) {
    return fmt::format("{} is no {}", name, format);
  }
  return std::nullopt;
}

std::optional<std::string> number_mistake(const Json& field, const Json& value,
                                          const std::string& name) {
  if (!value.is_number()) return name + " must be a number";
  const double number = value.get<double>();
  if (type_of(field) == "integer" && std::trunc(number) != number) {
    return name + " must be a whole number";
  }
  const Json* least = member(field, "minimum");
  const Json* most = member(field, "maximum");
  if ((least != nullptr && number < least->get<double>()) ||
      (most != nullptr && number > most->get<double>())) {
    return name + " is not in its range";
  }
  return std::nullopt;
}

std::optional<std::string> choices_mistake(const Json& field, const Json& value,
                                           const std::string& name) {
  if (!value.is_array()) return name + " must be a list";
  const Json* least = member(field, "minItems");
  const Json* most = member(field, "maxItems");
  if ((least != nullptr && value.size() < least->get<std::uint64_t>()) ||
      (most != nullptr && value.size() > most->get<std::uint64_t>())) {
    return fmt::format("{} has {} choices, which is not as many as it may have", name,
                       value.size());
  }
  const Json* choices = choices_of(field["items"]);
  for (const Json& each : value) {
    if (choices == nullptr || !is_choice(*choices, each))
      return name + " has what is none of its choices";
  }
  return std::nullopt;
}

std::optional<std::string> value_mistake(const Json& field, const Json& value,
                                         const std::string& name) {
  const std::string type = type_of(field);
  if (type == "string") return text_mistake(field, value, in_quotes(name));
  if (type == "array") return choices_mistake(field, value, in_quotes(name));
  if (type == "number" || type == "integer") return number_mistake(field, value, in_quotes(name));
  if (type == "boolean" && !value.is_boolean()) return in_quotes(name) + " must be true or false";
  return std::nullopt;
}

}  // namespace

Result<Json> read_form(const Json& schema) {
  if (!schema.is_object() || text_in(schema, "type") != "object") {
    return no_form("a form is a schema of type object");
  }
  const Json* properties = member(schema, "properties");
  if (properties == nullptr || !properties->is_object())
    return no_form("the form has no properties");
  if (properties->size() > limits::kFormFields) {
    return no_form(fmt::format("the form has {} fields, and {} are the most", properties->size(),
                               limits::kFormFields));
  }
  Json read = {{"type", "object"}, {"properties", Json::object()}};
  for (const auto& [name, field] : properties->items()) {
    Result<Json> known = read_field(name, field);
    if (!known) return known.error();
    read["properties"][name] = known.take();
  }
  if (const Json* required = member(schema, "required");
      required != nullptr && !required->empty()) {
    const bool known = is_texts(*required) &&
                       std::all_of(required->begin(), required->end(), [&](const Json& each) {
                         return properties->contains(each.get_ref<const std::string&>());
                       });
    if (!known) return no_form("the form requires what is none of its fields");
    read["required"] = *required;
  }
  for (const auto& [word, value] : schema.items()) {
    const bool known = word == "type" || word == "properties" || word == "required" ||
                       word == "title" || word == "description" || is_ignored(word);
    if (!known)
      return no_form(fmt::format("the form has {}, which forms don't have", in_quotes(word)));
  }
  if (to_json_text(read).size() > limits::kFormBytes) {
    return no_form(fmt::format("the form is larger than {} bytes", limits::kFormBytes));
  }
  return read;
}

std::optional<std::string> form_mistake(const Json& form, const Json& content) {
  if (!content.is_object()) return "it is no object";
  if (const Json* required = member(form, "required")) {
    for (const Json& name : *required) {
      if (!content.contains(name.get_ref<const std::string&>())) {
        return in_quotes(name.get_ref<const std::string&>()) + " is missing";
      }
    }
  }
  const Json* properties = member(form, "properties");
  if (properties == nullptr) return std::nullopt;
  for (const auto& [name, field] : properties->items()) {
    const Json* value = member(content, name);
    if (value == nullptr) continue;
    if (auto mistake = value_mistake(field, *value, name)) return mistake;
  }
  return std::nullopt;
}

Json fields_of_form(const Json& form, Json content) {
  Json kept = Json::object();
  const Json* properties = member(form, "properties");
  if (properties == nullptr) return kept;
  for (const auto& [name, field] : properties->items()) {
    if (const auto found = content.find(name); found != content.end())
      kept[name] = std::move(*found);
  }
  return kept;
}

}  // namespace pyember::mcp
