#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "base/utf8.h"

namespace pyember::runner {

// Writes one flat JSON object on one line. Text is repaired to UTF-8: paths need not be.
class JsonObject {
 public:
  JsonObject& add(std::string_view name, std::string_view text) {
    begin(name);
    append_text(utf8::repaired(text));
    return *this;
  }
  // Empty text stands for nothing.
  JsonObject& add_or_null(std::string_view name, std::string_view text) {
    return text.empty() ? add_raw(name, "null") : add(name, text);
  }
  JsonObject& add(std::string_view name, std::int64_t number) {
    return add_raw(name, std::to_string(number));
  }
  JsonObject& add_flag(std::string_view name, bool flag) {
    return add_raw(name, flag ? "true" : "false");
  }
  JsonObject& add_seconds(std::string_view name, double seconds) {
    char number[48];
    std::snprintf(number, sizeof number, "%.9f", seconds);
    return add_raw(name, number);
  }
  JsonObject& add_raw(std::string_view name, std::string_view json) {
    begin(name);
    text_ += json;
    return *this;
  }

  std::string object() const { return text_ + "}"; }
  std::string line() const { return text_ + "}\n"; }

 private:
  void begin(std::string_view name) {
    if (text_.size() > 1) text_ += ',';
    append_text(name);
    text_ += ':';
  }
  void append_text(std::string_view text) {
    text_ += '"';
    for (const char character : text) append(character);
    text_ += '"';
  }
  void append(char character) {
    if (character == '"' || character == '\\') {
      text_ += '\\';
      text_ += character;
    } else if (static_cast<unsigned char>(character) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(character));
      text_ += escape;
    } else {
      text_ += character;
    }
  }

  std::string text_ = "{";
};

}  // namespace pyember::runner
