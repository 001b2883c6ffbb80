#include "base/base64.h"

#include <cstdint>

namespace pyember {

namespace {

constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int value_of(char digit) {
  if (digit >= 'A' && digit <= 'Z') return digit - 'A';
  if (digit >= 'a' && digit <= 'z') return digit - 'a' + 26;
  if (digit >= '0' && digit <= '9') return digit - '0' + 52;
  if (digit == '+') return 62;
  return digit == '/' ? 63 : -1;
}

}  // namespace

std::string base64_encoded(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      const bool used = i + k <= bytes.size();
      out += used ? kDigits[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return out;
}

std::optional<std::string> base64_decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t group = 0;
  std::size_t digits = 0;  // all of them, padding included
  std::size_t padding = 0;
  for (const char digit : text) {
    if (digit == '\n' || digit == '\r') continue;
    ++digits;
    if (digit == '=') {
      ++padding;
      continue;
    }
    const int value = value_of(digit);
    if (value < 0 || padding > 0) return std::nullopt;
    group = group << 6 | static_cast<std::uint32_t>(value);
    if (digits % 4 == 0) {
      for (const int shift : {16, 8, 0}) out += static_cast<char>(group >> shift & 0xFF);
      group = 0;
    }
  }
  if (digits % 4 != 0 || padding > 2) return std::nullopt;
  if (padding == 1) group <<= 6;
  if (padding == 2) group <<= 12;
  if (padding > 0) out += static_cast<char>(group >> 16 & 0xFF);
  if (padding == 1) out += static_cast<char>(group >> 8 & 0xFF);
  return out;
}

}  // namespace pyember
