#include "host/bridge_settings.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <utility>

#include "base/limits.h"

namespace pyember::host {

namespace {

constexpr double kMostSeconds = 366.0 * 24 * 3600;

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

class Reader {
 public:
  Reader(const Variables& variables, std::vector<std::string>& warnings)
      : variables_(variables), warnings_(warnings) {}

  std::string text(const char* name) const {
    const char* value = variables_(name);
    return value == nullptr ? std::string() : value;
  }

  std::optional<std::chrono::milliseconds> seconds(const char* name) {
    const std::string given = text(name);
    if (given.empty()) return std::nullopt;
    char* end = nullptr;
    const double value = strtod(given.c_str(), &end);
    if (end == given.c_str() || *end != '\0' || !(value >= 0.001) || value > kMostSeconds) {
      unusable(name, given, "a number of seconds above 0");
      return std::nullopt;
    }
    return std::chrono::milliseconds(std::llround(value * 1000));
  }

  bool flag(const char* name, bool otherwise) {
    const std::string given = lower(text(name));
    if (given.empty()) return otherwise;
    if (given == "1" || given == "true" || given == "yes" || given == "on") return true;
    if (given == "0" || given == "false" || given == "no" || given == "off") return false;
    unusable(name, given, "true or false");
    return otherwise;
  }

  void unusable(const char* name, const std::string& given, std::string_view wanted) {
    warnings_.push_back(
        fmt::format("{} is '{}', which is not {}; the default is used. Correct it, "
                    "or unset it.",
                    name, given.substr(0, 80), wanted));
  }

 private:
  const Variables& variables_;
  std::vector<std::string>& warnings_;
};

std::string log_level(Reader& reader) {
  constexpr const char* kName = "MCP_BRIDGE_LOG_LEVEL";
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kLevels = {
      {{"trace", "trace"},
       {"debug", "debug"},
       {"info", "info"},
       {"warn", "warning"},
       {"warning", "warning"},
       {"error", "error"},
       {"critical", "critical"},
       {"fatal", "critical"}}};
  const std::string given = lower(reader.text(kName));
  if (given.empty()) return {};
  for (const auto& [word, ours] : kLevels) {
    if (given == word) return std::string(ours);
  }
  reader.unusable(kName, given, "DEBUG, INFO, WARNING, ERROR or CRITICAL");
  return {};
}

OutputMode output_mode(Reader& reader) {
  constexpr const char* kName = "MCP_BRIDGE_OUTPUT_MODE";
  const std::string given = lower(reader.text(kName));
  if (given.empty()) return OutputMode::Compact;
  const auto mode = parse_output_mode(given);
  if (!mode) reader.unusable(kName, given, "compact or toon");
  return mode.value_or(OutputMode::Compact);
}

}  // namespace

BridgeSettings read_bridge_settings(const Variables& variables) {
  BridgeSettings settings;
  Reader reader(variables, settings.warnings);
  settings.containers = names_container_runtime(reader.text("MCP_BRIDGE_RUNTIME"));
  settings.timeout = reader.seconds("MCP_BRIDGE_TIMEOUT").value_or(limits::kCodeModeTimeout);
  settings.maximum_timeout =
      std::max(settings.timeout,
               reader.seconds("MCP_BRIDGE_MAX_TIMEOUT").value_or(limits::kCodeModeTimeout));
  settings.output_mode = output_mode(reader);
  settings.sessions_stay = reader.flag("MCP_BRIDGE_SESSION_PERSIST", true);
  settings.log_level = log_level(reader);
  return settings;
}

BridgeSettings read_bridge_settings() {
  return read_bridge_settings([](const char* name) -> const char* { return getenv(name); });
}

}  // namespace pyember::host
