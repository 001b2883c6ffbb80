#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pyember::host {

// A log line as one JSON object, without the line's end:
//   {"time":"2026-11-22T09:31:16.123Z","level":"info","message":…,"event":…,"fields":{…}}
// `event` and `fields` (texts, as they stand in the line) are there when the message is an event's
// name and nothing but `key=value` or `key="value"`, each key once; else the message alone is. A
// value with a quote in it is no value: whoever logs what others wrote takes quotes out.
std::string json_log_line(std::int64_t unix_ms, std::string_view level, std::string_view message);

}  // namespace pyember::host
