#pragma once

#include <optional>
#include <string>
#include <string_view>

// What the server says on stderr (docs/observability.md). Log lines are an event's name and
// `key=value`s; what is said to whoever has started the program are sentences.
namespace pyember::host {

enum class LogFormat { Text, Json };

// "text" or "json"
std::optional<LogFormat> parse_log_format(std::string_view text);

// Sends log lines of `level` and above to stderr, unbuffered; stdout is the protocol's. Before
// there are threads.
void log_to_stderr(const std::string& level, LogFormat format = LogFormat::Text);

// How say() says it from now on: as lines `pyember: …`, as it does at first, or like log lines.
void speak_as(LogFormat format);

// Whatever the level of the log is. Only while this is the process's one thread, or on its loop's.
enum class Weight { Note, Warning, Failure };
void say(Weight weight, std::string_view sentence);

}  // namespace pyember::host
