#include "runner/identity.h"

#include <algorithm>
#include <cstdlib>

#include "base/small_file.h"

namespace pyember::runner {

std::int64_t start_ticks() {
  const std::string text = read_small_file("/proc/self/stat", 1024);
  std::size_t at = text.rfind(')');
  for (int field = 2; field < 22 && at != std::string::npos; ++field) at = text.find(' ', at + 1);
  return at == std::string::npos ? 0 : std::strtoll(text.c_str() + at, nullptr, 10);
}

std::string boot_id() {
  std::string boot = read_small_file("/proc/sys/kernel/random/boot_id", 64);
  boot.resize(std::min(boot.size(), boot.find('\n')));
  return boot;
}

}  // namespace pyember::runner
