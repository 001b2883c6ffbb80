#include "base/own_environment.h"

#include <unistd.h>

extern char** environ;

namespace pyember {

std::vector<std::pair<std::string_view, std::string_view>> own_environment() {
  std::vector<std::pair<std::string_view, std::string_view>> found;
  for (char** each = environ; each != nullptr && *each != nullptr; ++each) {
    const std::string_view entry = *each;
    const std::size_t equals = entry.find('=');
    if (equals == std::string_view::npos || equals == 0) continue;
    found.emplace_back(entry.substr(0, equals), entry.substr(equals + 1));
  }
  return found;
}

std::vector<std::string> own_environment_entries() {
  std::vector<std::string> found;
  for (const auto& [name, value] : own_environment()) {
    found.push_back(std::string(name).append("=").append(value));
  }
  return found;
}

}  // namespace pyember
