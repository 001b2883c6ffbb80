#include "host/upstream/config/aliases.h"

namespace pyember::host {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::string alias_of(std::string_view name) {
  std::string alias;
  bool in_run = false;
  for (const char c : name) {
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const bool fits = (lower >= 'a' && lower <= 'z') || is_digit(lower) || lower == '_';
    if (fits) {
      alias += lower;
    } else if (!in_run) {
      alias += '_';
    }
    in_run = !fits;
  }
  return alias.empty() || is_digit(alias.front()) ? "_" + alias : alias;
}

std::string UniqueAliases::take(const std::string& alias) {
  std::string free = alias;
  for (std::size_t number = 2; !taken_.insert(free).second; ++number) {
    free = alias + "_" + std::to_string(number);
  }
  return free;
}

}  // namespace pyember::host
