#pragma once

#include <cstddef>
#include <string>
#include <string_view>

// UTF-8 without a library: what leaves the program is always valid, whatever user code printed.
namespace pyember::utf8 {

// One step through a text: a character, or a maximal run of bytes that can't be one.
struct Step {
  std::size_t length;  // 1 to 4
  bool valid;
};
// What begins at `position`, which must be inside the text.
Step step(std::string_view text, std::size_t position);

// The length of the longest valid prefix.
std::size_t valid_prefix(std::string_view text);
bool is_valid(std::string_view text);

// Appends `text`, each invalid step replaced by U+FFFD.
void append_repaired(std::string& out, std::string_view text);
std::string repaired(std::string_view text);

// Characters = code points; in invalid text every byte that does not continue one counts.
std::size_t count_characters(std::string_view text);

// The first / last `characters` of a text, cut at character boundaries.
std::string_view head(std::string_view text, std::size_t characters);
std::string_view tail(std::string_view text, std::size_t characters);

// How many bytes at the end are the beginning of a character whose rest has not come yet (0 to 3):
// for streams that arrive in pieces.
std::size_t incomplete_suffix(std::string_view text);

}  // namespace pyember::utf8
