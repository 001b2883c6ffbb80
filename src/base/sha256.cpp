#include "base/sha256.h"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace pyember {

namespace {

using Words = std::array<std::uint32_t, 8>;

// The standard's tables are the fractional bits of the roots of the first primes.
struct Tables {
  std::array<std::uint32_t, 64> rounds{};
  Words start{};

  Tables() {
    std::size_t found = 0;
    for (std::uint32_t candidate = 2; found < rounds.size(); ++candidate) {
      bool prime = true;
      for (std::uint32_t d = 2; d * d <= candidate && prime; ++d) prime = candidate % d != 0;
      if (!prime) continue;
      rounds[found] = fraction(std::cbrt(static_cast<long double>(candidate)));
      if (found < start.size())
        start[found] = fraction(std::sqrt(static_cast<long double>(candidate)));
      ++found;
    }
  }
  static std::uint32_t fraction(long double root) {
    return static_cast<std::uint32_t>((root - std::floor(root)) * 4294967296.0L);
  }
};

constexpr std::uint32_t rotated(std::uint32_t word, int by) {
  return (word >> by) | (word << (32 - by));
}

void add_block(Words& hash, const unsigned char* block, const Tables& tables) {
  std::array<std::uint32_t, 64> w{};
  for (std::size_t i = 0; i < 16; ++i) {
    w[i] = static_cast<std::uint32_t>(block[4 * i]) << 24 |
           static_cast<std::uint32_t>(block[4 * i + 1]) << 16 |
           static_cast<std::uint32_t>(block[4 * i + 2]) << 8 | block[4 * i + 3];
  }
  for (std::size_t i = 16; i < 64; ++i) {
    const std::uint32_t a = rotated(w[i - 15], 7) ^ rotated(w[i - 15], 18) ^ (w[i - 15] >> 3);
    const std::uint32_t b = rotated(w[i - 2], 17) ^ rotated(w[i - 2], 19) ^ (w[i - 2] >> 10);
    w[i] = w[i - 16] + a + w[i - 7] + b;
  }
  auto [a, b, c, d, e, f, g, h] = hash;
  for (std::size_t i = 0; i < 64; ++i) {
    const std::uint32_t s1 = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25);
    const std::uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + tables.rounds[i] + w[i];
    const std::uint32_t s0 = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22);
    const std::uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  const Words added = {a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < hash.size(); ++i) hash[i] += added[i];
}

}  // namespace

std::string sha256_hex(std::string_view text) {
  static const Tables tables;
  Words hash = tables.start;
  std::string padded_end(text.substr(text.size() - text.size() % 64));
  padded_end += '\x80';
  while (padded_end.size() % 64 != 56) padded_end += '\0';
  const std::uint64_t bits = static_cast<std::uint64_t>(text.size()) * 8;
  for (int shift = 56; shift >= 0; shift -= 8) padded_end += static_cast<char>(bits >> shift);
  const auto blocks = [&](std::string_view bytes) {
    for (std::size_t at = 0; at + 64 <= bytes.size(); at += 64) {
      add_block(hash, reinterpret_cast<const unsigned char*>(bytes.data()) + at, tables);
    }
  };
  blocks(text.substr(0, text.size() - text.size() % 64));
  blocks(padded_end);
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const std::uint32_t word : hash) {
    for (int shift = 28; shift >= 0; shift -= 4) hex += kDigits[(word >> shift) & 15];
  }
  return hex;
}

}  // namespace pyember
