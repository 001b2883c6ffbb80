#include "host/boundaries/container_settings.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <charconv>
#include <cmath>
#include <initializer_list>
#include <utility>

#include "base/limits.h"

namespace pyember::host {

namespace {

constexpr double kQuotaOfOneCore = 100'000;     // microseconds of 100 ms
constexpr std::uint64_t kSmallestQuota = 1000;  // the kernel takes no less

// The variable that is set, of those that mean the same.
struct Given {
  const char* name = nullptr;
  std::string text;

  explicit operator bool() const { return name != nullptr; }
};

Given given(const Variables& variables, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const char* text = variables(name);
    if (text != nullptr && *text != '\0') return {name, text};
  }
  return {};
}

Error unusable(const Given& given, std::string_view why, std::string_view instead) {
  return {ErrorCode::InvalidArgument,
          fmt::format("The container can't be started: {} is '{}', {}. {}", given.name, given.text,
                      why, instead)};
}

std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "512m" as podman and docker read it, "512MB" and "512MiB" too: all of them are powers of 1024.
std::optional<std::uint64_t> bytes_of(std::string text) {
  for (char& each : text) each = static_cast<char>(tolower(static_cast<unsigned char>(each)));
  if (text.ends_with("ib")) text.resize(text.size() - 2);
  if (text.ends_with('b')) text.resize(text.size() - 1);
  constexpr std::string_view kUnits = "kmgt";
  int shift = 0;
  if (const std::size_t unit = text.empty() ? std::string_view::npos : kUnits.find(text.back());
      unit != std::string_view::npos) {
    shift = 10 * (static_cast<int>(unit) + 1);
    text.pop_back();
  }
  const std::optional<std::uint64_t> value = whole_number(text);
  if (!value || *value > (UINT64_MAX >> 1) >> shift) return std::nullopt;
  return *value << shift;
}

Result<void> read_memory(const Variables& variables, ContainerSettings& settings) {
  settings.memory_bytes = limits::kBoundaryMemoryBytes;
  const Given memory = given(variables, {"MCP_BRIDGE_MEMORY_LIMIT", "MCP_BRIDGE_MEMORY"});
  if (!memory) return {};
  const std::optional<std::uint64_t> bytes = bytes_of(memory.text);
  if (!bytes) return unusable(memory, "which is no size", "Write it as 512m or 2g.");
  if (*bytes < limits::kSmallestBoundaryMemoryBytes) {
    return unusable(
        memory, "with which not even Python starts",
        fmt::format("Give it {} MB or more.", limits::kSmallestBoundaryMemoryBytes >> 20));
  }
  settings.memory_bytes = *bytes;
  return {};
}

Result<void> read_processes(const Variables& variables, ContainerSettings& settings) {
  settings.processes = limits::kBoundaryProcesses;
  const Given processes = given(variables, {"MCP_BRIDGE_PIDS_LIMIT", "MCP_BRIDGE_PIDS"});
  if (!processes) return {};
  const std::optional<std::uint64_t> count = whole_number(processes.text);
  if (!count || *count < limits::kSmallestBoundaryProcesses) {
    return unusable(processes,
                    fmt::format("not a number of {} or more (what runs a session is some processes "
                                "itself)",
                                limits::kSmallestBoundaryProcesses),
                    fmt::format("The default is {}.", limits::kBoundaryProcesses));
  }
  settings.processes = *count;
  return {};
}

std::optional<double> decimal(const std::string& text) {
  char* end = nullptr;
  const double value = strtod(text.c_str(), &end);
  if (end == text.c_str() || *end != '\0' || !std::isfinite(value)) return std::nullopt;
  return value;
}

Result<void> read_cpu(const Variables& variables, ContainerSettings& settings) {
  const Given quota = given(variables, {"MCP_BRIDGE_CPU_QUOTA"});
  const Given cores = given(variables, {"MCP_BRIDGE_CPUS"});
  if (quota) {
    settings.cpu_quota_us = whole_number(quota.text);
    if (settings.cpu_quota_us && *settings.cpu_quota_us >= kSmallestQuota) return {};
    return unusable(quota, "not a number of microseconds, 1000 or more, of every 100 ms",
                    "50000 is half a core.");
  }
  if (!cores) return {};
  const std::optional<double> count = decimal(cores.text);
  if (!count || *count * kQuotaOfOneCore < kSmallestQuota || *count > 1e6) {
    return unusable(cores, "not a number of cores", "0.5 is half a core.");
  }
  settings.cpu_quota_us = static_cast<std::uint64_t>(std::llround(*count * kQuotaOfOneCore));
  return {};
}

Result<void> read_words(const Variables& variables, const char* name,
                        std::vector<std::string>& words) {
  const Given text = given(variables, {name});
  if (!text) return {};
  std::optional<std::vector<std::string>> found = split_words(text.text);
  if (!found) return unusable(text, "where a quote is not closed", "Close it.");
  words = std::move(*found);
  return {};
}

// What begins with a dash would be read as an option.
Result<void> read_name(const Variables& variables, const char* name, std::string& value) {
  const Given text = given(variables, {name});
  if (!text) return {};
  if (text.text.front() == '-' || text.text.find_first_of(" \t\n") != std::string::npos) {
    return unusable(text, "which is no name", "Correct it, or unset it for the default.");
  }
  value = text.text;
  return {};
}

}  // namespace

std::optional<std::vector<std::string>> split_words(std::string_view text) {
  std::vector<std::string> words;
  bool within = false;
  char quote = '\0';
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char each = text[i];
    const bool blank = each == ' ' || each == '\t' || each == '\n';
    if (quote == '\0' && blank) {
      within = false;
      continue;
    }
    if (!within) words.emplace_back();
    within = true;
    if (each == quote) {
      quote = '\0';
    } else if (quote == '\0' && (each == '\'' || each == '"')) {
      quote = each;
    } else if (each == '\\' && quote != '\'' && i + 1 < text.size()) {
      words.back() += text[++i];
    } else {
      words.back() += each;
    }
  }
  if (quote != '\0') return std::nullopt;
  return words;
}

bool names_container_runtime(std::string_view runtime) {
  return !runtime.empty() && runtime != "auto" && runtime != "sandbox" && runtime != "native";
}

Result<ContainerSettings> read_container_settings(const Variables& variables) {
  ContainerSettings settings;
  settings.image = kContainerImage;
  settings.user = kContainerUser;
  for (const Result<void>& read :
       {read_name(variables, "MCP_BRIDGE_RUNTIME", settings.runtime),
        read_name(variables, "MCP_BRIDGE_IMAGE", settings.image), read_memory(variables, settings),
        read_cpu(variables, settings), read_processes(variables, settings),
        read_words(variables, "MCP_BRIDGE_SECURITY_OPT", settings.security_options),
        read_name(variables, "MCP_BRIDGE_CONTAINER_USER", settings.user),
        read_words(variables, "PYEMBER_CONTAINER_GLOBAL_ARGS", settings.global_arguments),
        read_words(variables, "PYEMBER_CONTAINER_ARGS", settings.run_arguments)}) {
    if (!read) return read.error();
  }
  if (!names_container_runtime(settings.runtime)) settings.runtime.clear();
  return settings;
}

Result<ContainerSettings> read_container_settings() {
  return read_container_settings([](const char* name) -> const char* { return getenv(name); });
}

}  // namespace pyember::host
