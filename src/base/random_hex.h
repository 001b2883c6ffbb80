#pragma once

#include <sys/random.h>

#include <cstddef>
#include <string>

#include "base/check.h"

namespace pyember {

// So many bytes that nobody can guess, as hexadecimal digits: names of things that only who was
// told them may use. At most 256 bytes. Any thread.
inline std::string random_hex(std::size_t bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string raw(bytes, '\0');
  CHECK(getrandom(raw.data(), raw.size(), 0) == static_cast<ssize_t>(raw.size()));
  std::string text;
  for (const char each : raw) {
    const auto byte = static_cast<unsigned char>(each);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace pyember
