#include "host/tools/toon.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <string_view>
#include <vector>

#include "base/limits.h"

// Section numbers are those of the specification.
namespace pyember::host {

using mcp::Json;

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

void skip_digits(std::string_view& text) {
  while (!text.empty() && is_digit(text.front())) text.remove_prefix(1);
}

// 7.2: [+-]digits[.digits][e[+-]digits], leading zeros included.
bool looks_like_number(std::string_view text) {
  const auto skip_sign = [&text] {
    if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  };
  skip_sign();
  if (text.empty() || !is_digit(text.front())) return false;
  skip_digits(text);
  if (text.size() > 1 && text.front() == '.' && is_digit(text[1])) {
    text.remove_prefix(1);
    skip_digits(text);
  }
  if (!text.empty() && (text.front() == 'e' || text.front() == 'E')) {
    text.remove_prefix(1);
    skip_sign();
    if (text.empty() || !is_digit(text.front())) return false;
    skip_digits(text);
  }
  return text.empty();
}

bool needs_quotes(std::string_view text) {
  if (text.empty() || text == "true" || text == "false" || text == "null") return true;
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  if (is_blank(text.front()) || is_blank(text.back())) return true;
  if (text.front() == '-' || text.front() == '#') return true;
  const bool special = std::any_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 ||
           std::string_view(":\"\\[]{},").find(c) != std::string_view::npos;
  });
  return special || looks_like_number(text);
}

std::string in_double_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '\\':
      case '"':
        out += '\\';
        out += c;
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out += c;
        }
    }
  }
  return out + '"';
}

// 7.3
std::string key_text(std::string_view key) {
  const bool plain = !key.empty() && (is_letter(key.front()) || key.front() == '_') &&
                     std::all_of(key.begin(), key.end(), [](char c) {
                       return is_letter(c) || is_digit(c) || c == '_' || c == '.';
                     });
  return plain ? std::string(key) : in_double_quotes(key);
}

// The shortest decimal that reads back as the same number, without an exponent.
std::string number_text(double value) {
  if (!std::isfinite(value)) return "null";
  if (value == 0) return "0";
  std::array<char, 512> digits;  // the longest double has 325 of them and a few signs
  const auto end =
      std::to_chars(digits.data(), digits.data() + digits.size(), value, std::chars_format::fixed);
  return std::string(digits.data(), end.ptr);
}

std::string primitive_text(const Json& value) {
  if (value.is_string()) {
    const std::string& text = value.get_ref<const std::string&>();
    return needs_quotes(text) ? in_double_quotes(text) : text;
  }
  if (value.is_number_float()) return number_text(value.get<double>());
  return value.dump();
}

bool all_primitive(const Json& array) {
  return std::none_of(array.begin(), array.end(),
                      [](const Json& each) { return each.is_structured(); });
}

std::string joined(const Json& array) {
  std::string text;
  for (const Json& each : array) text += (text.empty() ? "" : ",") + primitive_text(each);
  return text;
}

// A column of a table, with the columns below it when its values are objects (9.3).
struct Column {
  std::string name;
  std::vector<Column> below;
};

using Values = std::vector<const Json*>;

// The columns of objects that are of one shape; empty: they are not.
std::vector<Column> columns_of(const Values& objects) {
  if (objects.empty()) return {};
  const auto fits = [&](const Json* each) {
    return each->is_object() && !each->empty() && each->size() == objects.front()->size();
  };
  if (!std::all_of(objects.begin(), objects.end(), fits)) return {};
  std::vector<Column> columns;
  for (const auto& [name, first] : objects.front()->items()) {
    Values values;
    for (const Json* each : objects) {
      const auto found = each->find(name);
      if (found == each->end()) return {};
      values.push_back(&*found);
    }
    const auto is_structured = [](const Json* each) { return each->is_structured(); };
    Column column{name, {}};
    if (std::any_of(values.begin(), values.end(), is_structured)) {
      column.below = columns_of(values);
      if (column.below.empty()) return {};
    }
    columns.push_back(std::move(column));
  }
  return columns;
}

std::vector<Column> columns_of_members(const Json& value) {
  Values values;
  for (const Json& each : value) values.push_back(&each);
  return columns_of(values);
}

// 9.5: an object whose values are of one shape.
std::vector<Column> columns_of_keyed(const Json& object) {
  return object.size() < 2 ? std::vector<Column>() : columns_of_members(object);
}

std::string header(const std::vector<Column>& columns) {
  std::string text;
  for (const Column& column : columns) {
    text += (text.empty() ? "" : ",") + key_text(column.name);
    if (!column.below.empty()) text += header(column.below);
  }
  return "{" + text + "}";
}

void append_cells(std::string& row, const Json& object, const std::vector<Column>& columns) {
  for (const Column& column : columns) {
    const Json& value = *object.find(column.name);
    if (!column.below.empty()) {
      append_cells(row, value, column.below);
    } else {
      row += (row.empty() ? "" : ",") + primitive_text(value);
    }
  }
}

std::string row_of(const Json& object, const std::vector<Column>& columns) {
  std::string row;
  append_cells(row, object, columns);
  return row;
}

class Writer {
 public:
  std::string write(const Json& value) {
    if (value.is_array()) {
      array("", "", 0, value);
    } else if (!value.is_object()) {
      line(primitive_text(value));
    } else if (const auto columns = columns_of_keyed(value); !columns.empty()) {
      keyed("", 0, value, columns);
    } else {
      members("", 0, value);
    }
    return std::move(text_);
  }

 private:
  static std::string indent(std::size_t depth) { return std::string(2 * depth, ' '); }

  void line(const std::string& text) {
    if (!text_.empty()) text_ += '\n';
    text_ += text;
  }

  // The fields of an object; the first one behind `begin`, where that is not empty.
  void members(const std::string& begin, std::size_t depth, const Json& object) {
    bool first = true;
    for (const auto& [key, value] : object.items()) {
      field(first && !begin.empty() ? begin : indent(depth), key, depth, value);
      first = false;
    }
  }

  // A field that stands at `depth`; its line begins with `begin`.
  void field(const std::string& begin, const std::string& name, std::size_t depth,
             const Json& value) {
    const std::string key = key_text(name);
    if (value.is_array()) return array(begin, key, depth, value);
    if (!value.is_object()) return line(begin + key + ": " + primitive_text(value));
    if (const auto columns = columns_of_keyed(value); !columns.empty()) {
      return keyed(begin + key, depth, value, columns);
    }
    line(begin + key + ":");
    members("", depth + 1, value);
  }

  void keyed(const std::string& begin, std::size_t depth, const Json& object,
             const std::vector<Column>& columns) {
    line(fmt::format("{}[{}:]{}:", begin, object.size(), header(columns)));
    for (const auto& [key, value] : object.items()) {
      line(indent(depth + 1) + key_text(key) + ": " + row_of(value, columns));
    }
  }

  // Of a field, or of the root, which has no key.
  void array(const std::string& begin, const std::string& key, std::size_t depth,
             const Json& value) {
    if (value.empty()) return line(begin + key + (key.empty() ? "[]" : ": []"));
    if (!all_primitive(value)) {
      if (const auto columns = columns_of_members(value); !columns.empty()) {
        line(fmt::format("{}{}[{}]{}:", begin, key, value.size(), header(columns)));
        for (const Json& each : value) line(indent(depth + 1) + row_of(each, columns));
        return;
      }
    }
    list(begin + key, depth, value);
  }

  void list(const std::string& begin, std::size_t depth, const Json& value) {
    const std::string head = fmt::format("{}[{}]:", begin, value.size());
    if (value.empty()) return line(head);
    if (all_primitive(value)) return line(head + " " + joined(value));
    line(head);
    for (const Json& each : value) item(depth + 1, each);
  }

  // 9.4 and 10
  void item(std::size_t depth, const Json& value) {
    const std::string begin = indent(depth) + "- ";
    if (value.is_array()) return list(begin, depth, value);
    if (!value.is_object()) return line(begin + primitive_text(value));
    if (value.empty()) return line(indent(depth) + "-");
    members(begin, depth + 1, value);
  }

  std::string text_;
};

bool deeper_than(const Json& value, std::size_t depth) {
  if (!value.is_structured()) return false;
  if (depth == 0) return true;
  return std::any_of(value.begin(), value.end(),
                     [depth](const Json& each) { return deeper_than(each, depth - 1); });
}

}  // namespace

std::optional<std::string> to_toon(const Json& value) {
  if (deeper_than(value, limits::kMaximumJsonDepth)) return std::nullopt;
  return Writer().write(value);
}

}  // namespace pyember::host
