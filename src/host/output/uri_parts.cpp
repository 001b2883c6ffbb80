#include "host/output/uri_parts.h"

#include <algorithm>
#include <charconv>

#include "base/limits.h"

namespace pyember::host {

bool parse_number(std::string_view text, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

std::string percent_encoded_path(std::string_view path) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("._~-/").find(c) != std::string_view::npos;
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kDigits[static_cast<unsigned char>(c) >> 4];
      out += kDigits[static_cast<unsigned char>(c) & 15];
    }
  }
  return out;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned value = 0;
    if (i + 2 >= text.size()) return std::nullopt;
    const auto [end, error] = std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16);
    if (error != std::errc() || end != text.data() + i + 3) return std::nullopt;
    out += static_cast<char>(value);
    i += 2;
  }
  return out;
}

std::string_view take_until(std::string_view& text, char separator) {
  const std::size_t at = text.find(separator);
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return part;
}

std::optional<PageRange> parse_page_query(std::string_view query) {
  PageRange range{0, limits::kOutputPageBytes};
  while (!query.empty()) {
    std::string_view pair = take_until(query, '&');
    const std::string_view key = take_until(pair, '=');
    std::uint64_t number = 0;
    if (!parse_number(pair, number)) return std::nullopt;
    if (key == "offset") {
      range.offset = number;
    } else if (key == "limit") {
      range.limit = static_cast<std::size_t>(std::min<std::uint64_t>(number, range.limit));
    } else {
      return std::nullopt;
    }
  }
  if (range.limit == 0) return std::nullopt;
  return range;
}

}  // namespace pyember::host
