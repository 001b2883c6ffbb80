#include "host/memory_watch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <string_view>

#include "base/limits.h"

namespace pyember::host {

namespace {

// Reads a small file of /proc or /sys without allocating.
std::string_view slurp(const char* path, char* buffer, std::size_t size) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  const ssize_t n = read(fd, buffer, size);
  close(fd);
  return n > 0 ? std::string_view(buffer, static_cast<std::size_t>(n)) : std::string_view();
}

std::int64_t number_after(std::string_view text, std::string_view label) {
  std::size_t at = text.find(label);
  if (at == std::string_view::npos) return -1;
  at = text.find_first_of("0123456789", at + label.size());
  if (at == std::string_view::npos) return -1;
  std::int64_t value = -1;
  std::from_chars(text.data() + at, text.data() + text.size(), value);
  return value;
}

}  // namespace

MemoryReading read_memory() {
  MemoryReading reading;
  char buffer[1024];
  const std::string_view machine = slurp("/proc/meminfo", buffer, sizeof buffer);
  const std::int64_t total = number_after(machine, "MemTotal:");
  const std::int64_t available = number_after(machine, "MemAvailable:");
  if (total < 0 || available < 0) return reading;
  reading.total_bytes = total * 1024;
  reading.available_bytes = available * 1024;
  const std::int64_t limit =
      number_after(slurp("/sys/fs/cgroup/memory.max", buffer, sizeof buffer), "");
  const std::int64_t used =
      number_after(slurp("/sys/fs/cgroup/memory.current", buffer, sizeof buffer), "");
  if (limit > 0 && used >= 0 && limit < reading.total_bytes) {
    reading.total_bytes = limit;
    reading.available_bytes =
        std::min(reading.available_bytes, std::max<std::int64_t>(0, limit - used));
  }
  // statm: total and resident size in pages.
  const std::string_view own = slurp("/proc/self/statm", buffer, sizeof buffer);
  const std::size_t second = own.find(' ');
  if (second != std::string_view::npos) {
    reading.own_bytes = number_after(own.substr(second), "") * sysconf(_SC_PAGESIZE);
  }
  return reading;
}

std::string MemoryWatch::look(std::uint64_t now_ns) {
  const auto pause = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(limits::kMemoryStopPause).count());
  if (stopped_at_ns_ != 0 && now_ns - stopped_at_ns_ < pause) return {};
  const MemoryReading reading = reader_();
  if (reading.available_bytes < 0) return {};
  const std::int64_t floor = std::min(limits::kMemoryFloorBytes, reading.total_bytes / 20);
  if (reading.available_bytes >= floor) {
    left_when_stopped_ = -1;
    return {};
  }
  if (left_when_stopped_ >= 0 && reading.available_bytes > left_when_stopped_ - floor / 8)
    return {};
  // Others use the memory: stopping a session of ours would cost its state and help nobody.
  if (reading.own_bytes < reading.total_bytes / 4) return {};
  stopped_at_ns_ = now_ns;
  left_when_stopped_ = reading.available_bytes;
  return fmt::format("the machine is nearly out of memory ({} MB left of {}, {} of them used here)",
                     reading.available_bytes >> 20, reading.total_bytes >> 20,
                     reading.own_bytes >> 20);
}

}  // namespace pyember::host
