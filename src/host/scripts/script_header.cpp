#include "host/scripts/script_header.h"

#include <cstddef>

namespace pyember::host {

namespace {

// The next line, without its end; `source` moves on to the one after it.
std::string_view next_line(std::string_view& source) {
  const std::size_t end = source.find('\n');
  std::string_view line = source.substr(0, end);
  source.remove_prefix(end == std::string_view::npos ? source.size() : end + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

}  // namespace

bool has_script_header(std::string_view source) {
  while (!source.empty()) {
    if (next_line(source) != "# /// script") continue;
    std::string_view rest = source;
    while (!rest.empty()) {
      const std::string_view line = next_line(rest);
      if (line == "# ///") return true;
      if (line != "#" && !line.starts_with("# ")) break;
    }
  }
  return false;
}

}  // namespace pyember::host
