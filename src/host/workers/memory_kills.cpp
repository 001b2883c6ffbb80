#include "host/workers/memory_kills.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>

#include "base/descriptor.h"


namespace pyember::host {

namespace {

constexpr std::string_view kLine = "\noom_kill ";

}  // namespace

std::optional<std::uint64_t> memory_kills_in(std::string_view vmstat) {
  const std::size_t at = vmstat.find(kLine);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = vmstat.substr(at + kLine.size());
  std::uint64_t count = 0;
  const auto read = std::from_chars(rest.data(), rest.data() + rest.size(), count);
  if (read.ec != std::errc()) return std::nullopt;
  return count;
}

std::optional<std::uint64_t> memory_kills() {
  const Descriptor file(open("/proc/vmstat", O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return std::nullopt;
  std::array<char, 32u << 10> text;  // it takes 4 KB, and grows a little with each kernel
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t n = read(file.get(), text.data() + size, text.size() - size);
    if (n <= 0) break;
    size += static_cast<std::size_t>(n);
  }
  return memory_kills_in({text.data(), size});
}

}  // namespace pyember::host
