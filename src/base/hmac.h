#pragma once

#include <string>
#include <string_view>

namespace pyember {

// HMAC-SHA256 (RFC 2104) of a text, as 64 hexadecimal digits: only who has the key can make it.
std::string hmac_sha256_hex(std::string_view key, std::string_view text);

// Whether two texts are the same, in a time that does not tell how much of them is.
bool same_in_constant_time(std::string_view a, std::string_view b);

}  // namespace pyember
