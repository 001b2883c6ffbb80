#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// What the addresses of a session's resources have in common:
// SCHEME://SESSION/REST?offset=BYTES&limit=BYTES.
namespace pyember::host {

// A whole text as a number.
bool parse_number(std::string_view text, std::uint64_t& number);

// Every byte but [A-Za-z0-9._~-] and '/' as %XX; and back. Nullopt: a malformed escape.
std::string percent_encoded_path(std::string_view path);
std::optional<std::string> percent_decoded(std::string_view text);

// What comes before the separator, which is taken off as well.
std::string_view take_until(std::string_view& text, char separator);

struct PageRange {
  std::uint64_t offset = 0;  // in bytes
  std::size_t limit = 0;     // in bytes, at least 1, never above limits::kOutputPageBytes
};
std::optional<PageRange> parse_page_query(std::string_view query);

}  // namespace pyember::host
