#include "base/utf8.h"
#include "mcp/json.h"

#include <array>
#include <charconv>
#include <cmath>

// A writer of our own: it appends to the line that is being built instead of making a string for
// each value, and copies runs of plain characters at once, which is what outputs consist of.
namespace pyember::mcp {
namespace {

bool is_plain(unsigned char byte) {
  return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

void append_escape(std::string& out, unsigned char byte) {
  constexpr std::string_view kHex = "0123456789abcdef";
  switch (byte) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    default:
      break;
  }
  out += "\\u00";
  out += kHex[byte >> 4];
  out += kHex[byte & 15];
}

template <typename Number>
void append_number(std::string& out, Number value) {
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), end);
}

void append_double(std::string& out, double value) {
  if (std::isfinite(value)) {
    append_number(out, value);
  } else {
    out += "null";
  }
}

void append_array(std::string& out, const Json::array_t& elements) {
  out += '[';
  bool first = true;
  for (const Json& element : elements) {
    if (!first) out += ',';
    first = false;
    append_json(out, element);
  }
  out += ']';
}

void append_object(std::string& out, const Json::object_t& members) {
  out += '{';
  bool first = true;
  for (const auto& [name, value] : members) {
    if (!first) out += ',';
    first = false;
    append_json_string(out, name);
    out += ':';
    append_json(out, value);
  }
  out += '}';
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  std::size_t position = 0;
  while (position < text.size()) {
    const std::size_t run = position;
    while (position < text.size() && is_plain(static_cast<unsigned char>(text[position]))) {
      ++position;
    }
    out.append(text, run, position - run);
    if (position == text.size()) break;
    const auto byte = static_cast<unsigned char>(text[position]);
    if (byte < 0x80) {
      append_escape(out, byte);
      ++position;
      continue;
    }
    const utf8::Step step = utf8::step(text, position);
    utf8::append_repaired(out, text.substr(position, step.length));
    position += step.length;
  }
  out += '"';
}

void append_json(std::string& out, const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
    case Json::value_t::discarded:
    case Json::value_t::binary:
      out += "null";
      return;
    case Json::value_t::boolean:
      out += value.get<bool>() ? "true" : "false";
      return;
    case Json::value_t::number_integer:
      append_number(out, value.get<std::int64_t>());
      return;
    case Json::value_t::number_unsigned:
      append_number(out, value.get<std::uint64_t>());
      return;
    case Json::value_t::number_float:
      append_double(out, value.get<double>());
      return;
    case Json::value_t::string:
      append_json_string(out, value.get_ref<const Json::string_t&>());
      return;
    case Json::value_t::array:
      append_array(out, value.get_ref<const Json::array_t&>());
      return;
    case Json::value_t::object:
      append_object(out, value.get_ref<const Json::object_t&>());
      return;
  }
}

std::string to_json_text(const Json& value) {
  std::string out;
  append_json(out, value);
  return out;
}

}  // namespace pyember::mcp
