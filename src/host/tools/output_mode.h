#pragma once

#include <optional>
#include <string_view>

namespace pyember::host {

// How profile code writes the text of an answer: as lines, or all fields as TOON.
enum class OutputMode { Compact, Toon };

// "compact", "toon"
std::optional<OutputMode> parse_output_mode(std::string_view text);

}  // namespace pyember::host
