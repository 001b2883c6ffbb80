#include "host/workers/process_memory.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>

#include "base/small_file.h"

namespace pyember::host {

namespace {

std::int64_t kilobytes_after(std::string_view text, std::string_view label) {
  std::size_t at = text.find(label);
  if (at == std::string_view::npos) return 0;
  at = text.find_first_of("0123456789", at + label.size());
  if (at == std::string_view::npos) return 0;
  std::int64_t value = 0;
  std::from_chars(text.data() + at, text.data() + text.size(), value);
  return value;
}

}  // namespace

std::int64_t memory_together(const std::vector<pid_t>& processes) {
  std::int64_t total = 0;
  for (const pid_t pid : processes) {
    const std::string text = read_small_file(fmt::format("/proc/{}/smaps_rollup", pid).c_str());
    total += kilobytes_after(text, "\nPss:") * 1024;
  }
  return total;
}

}  // namespace pyember::host
