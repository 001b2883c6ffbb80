#pragma once

#include <string>
#include <string_view>

namespace pyember {

// SHA-256 (FIPS 180-4) of a text, as 64 hexadecimal digits. For naming content, not for secrets.
std::string sha256_hex(std::string_view text);

}  // namespace pyember
