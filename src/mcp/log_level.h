#pragma once

#include <optional>
#include <string_view>

namespace pyember::mcp {

// Severities of notifications/message, in rising order (RFC 5424).
enum class LogLevel { Debug, Info, Notice, Warning, Error, Critical, Alert, Emergency };

std::string_view to_string(LogLevel level);
std::optional<LogLevel> parse_log_level(std::string_view name);

}  // namespace pyember::mcp
