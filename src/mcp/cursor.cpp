#include "mcp/cursor.h"

#include <cstdint>

// URL-safe base64 of "<list>:<last entry>".
namespace pyember::mcp {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string encode(std::string_view bytes) {
  std::string text;
  std::uint32_t bits = 0;
  int held = 0;
  for (const char byte : bytes) {
    bits = (bits << 8) | static_cast<unsigned char>(byte);
    for (held += 8; held >= 6; held -= 6) text += kAlphabet[(bits >> (held - 6)) & 63];
  }
  if (held > 0) text += kAlphabet[(bits << (6 - held)) & 63];
  return text;
}

std::optional<std::string> decode(std::string_view text) {
  std::string bytes;
  std::uint32_t bits = 0;
  int held = 0;
  for (const char letter : text) {
    const std::size_t value = kAlphabet.find(letter);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes += static_cast<char>((bits >> held) & 255);
  }
  return bytes;
}

}  // namespace

std::string make_cursor(std::string_view list, std::string_view last) {
  std::string key(list);
  key += ':';
  key += last;
  return encode(key);
}

std::optional<std::string> read_cursor(std::string_view list, std::string_view cursor) {
  std::optional<std::string> key = decode(cursor);
  if (!key || key->size() <= list.size() + 1) return std::nullopt;
  if (!key->starts_with(list) || (*key)[list.size()] != ':') return std::nullopt;
  return key->substr(list.size() + 1);
}

}  // namespace pyember::mcp
