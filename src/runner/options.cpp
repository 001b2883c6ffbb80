#include "runner/options.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string_view>

#include "base/limits.h"
#include "runner/clock.h"

namespace pyember::runner {
namespace {

constexpr std::uint64_t kHighestPassed = 255;
constexpr double kLongestSeconds = 1e9;  // thirty years; keeps nanoseconds inside 64 bits

bool read_seconds(const char* text, double& seconds) {
  char* end = nullptr;
  seconds = std::strtod(text, &end);
  return end != text && *end == '\0' && std::isfinite(seconds) && seconds >= 0;
}

bool read_duration(const char* text, std::int64_t& nanoseconds) {
  double seconds = 0;
  if (!read_seconds(text, seconds)) return false;
  nanoseconds = static_cast<std::int64_t>(std::min(seconds, kLongestSeconds) * 1e9);
  return true;
}

bool read_count(const char* text, std::optional<std::uint64_t>& count) {
  if (*text < '0' || *text > '9') return false;
  char* end = nullptr;
  const auto value = std::strtoull(text, &end, 10);
  if (*end != '\0' || value == 0) return false;
  count = value;
  return true;
}

// The kernel counts CPU time in whole seconds; a part of one counts as one.
bool read_cpu(const char* text, std::optional<std::uint64_t>& seconds) {
  double value = 0;
  if (!read_seconds(text, value) || value == 0) return false;
  seconds = static_cast<std::uint64_t>(std::ceil(std::min(value, kLongestSeconds)));
  return true;
}

bool read_words(const char* text, std::size_t& words) {
  std::optional<std::uint64_t> number;
  if (!read_count(text, number)) return false;
  words = *number;
  return true;
}

bool read_descriptor(const char* text, std::vector<int>& descriptors) {
  std::optional<std::uint64_t> number;
  if (!read_count(text, number) || *number < 3 || *number > kHighestPassed) return false;
  descriptors.push_back(static_cast<int>(*number));
  return true;
}

// Whether `value` can be what `name` is given; false also for a name that takes no value.
bool store(std::string_view name, const char* value, Options& options) {
  if (name == "--dir") return !(options.directory = value).empty();
  if (name == "--cwd") return !(options.working_directory = value).empty();
  if (name == "--timeout") return read_duration(value, options.timeout_ns);
  if (name == "--grace") return read_duration(value, options.grace_ns);
  if (name == "--measure") return read_duration(value, options.sample_interval_ns);
  if (name == "--memory") return read_count(value, options.memory_bytes);
  if (name == "--cpu") return read_cpu(value, options.cpu_seconds);
  if (name == "--file-size") return read_count(value, options.file_size_bytes);
  if (name == "--processes") return read_count(value, options.processes);
  if (name == "--enclosed") return read_words(value, options.enclosure_words);
  if (name == "--afterwards") return *options.afterwards.emplace_back(value) != '\0';
  if (name == "--report") return !(options.report = value).empty();
  if (name == "--pass") return read_descriptor(value, options.passed);
  return false;
}

bool set_switch(std::string_view name, Options& options) {
  if (name == "--no-network") return options.no_network = true;
  if (name == "--runtime") return options.is_runtime = true;
  return false;
}

}  // namespace

std::optional<std::string> parse(char** argv, Options& options) {
  options.grace_ns = nanoseconds(limits::kRunnerGrace);
  char** next = argv + 1;
  for (; *next != nullptr && std::string_view(*next) != "--"; ++next) {
    const std::string_view name = *next;
    if (set_switch(name, options)) continue;
    if (next[1] == nullptr || !store(name, next[1], options)) {
      return "option " + std::string(name) + " is unknown or its value can't be used";
    }
    ++next;
  }
  if (options.directory.empty()) return "--dir JOB is missing: it names the job's folder";
  if (*next == nullptr || next[1] == nullptr) return "no program is named after --";
  if (options.sample_interval_ns > 0) {
    options.sample_interval_ns =
        std::max(options.sample_interval_ns, nanoseconds(limits::kShortestSampleInterval));
  }
  std::sort(options.passed.begin(), options.passed.end());
  options.command = next + 1;
  return std::nullopt;
}

}  // namespace pyember::runner
