#pragma once

#include <optional>
#include <string>
#include <string_view>

// RFC 4648, section 4, with padding: how bytes travel in JSON.
namespace pyember {

std::string base64_encoded(std::string_view bytes);

// Nullopt when it is not base64. Line breaks are allowed, missing padding is not.
std::optional<std::string> base64_decoded(std::string_view text);

}  // namespace pyember
