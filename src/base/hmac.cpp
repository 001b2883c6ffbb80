#include "base/hmac.h"

#include "base/sha256.h"

#include <cstddef>

namespace pyember {

namespace {

constexpr std::size_t kBlock = 64;

unsigned digit(char each) {
  return static_cast<unsigned>(each >= 'a' ? each - 'a' + 10 : each - '0');
}

std::string bytes_of(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(digit(hex[i]) << 4 | digit(hex[i + 1]));
  }
  return bytes;
}

std::string padded(std::string_view key, unsigned char with) {
  std::string block = key.size() > kBlock ? bytes_of(sha256_hex(key)) : std::string(key);
  block.resize(kBlock, '\0');
  for (char& each : block) each = static_cast<char>(static_cast<unsigned char>(each) ^ with);
  return block;
}

}  // namespace

std::string hmac_sha256_hex(std::string_view key, std::string_view text) {
  const std::string inner = sha256_hex(padded(key, 0x36) + std::string(text));
  return sha256_hex(padded(key, 0x5c) + bytes_of(inner));
}

bool same_in_constant_time(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned differs = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    differs |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  }
  return differs == 0;
}

}  // namespace pyember
