#include "host/logging.h"

#include <fmt/format.h>
#include <spdlog/formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <utility>

#include "host/log_line.h"

namespace pyember::host {

namespace {

LogFormat speaking_as = LogFormat::Text;  // of the process, as the log itself is

std::int64_t in_ms(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

std::string_view as_text(spdlog::string_view_t text) { return {text.data(), text.size()}; }

class JsonLines final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& line) override {
    const std::string text =
        json_log_line(in_ms(message.time), as_text(spdlog::level::to_string_view(message.level)),
                      as_text(message.payload)) +
        '\n';
    line.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JsonLines>();
  }
};

std::string_view level_of(Weight weight) {
  switch (weight) {
    case Weight::Note:
      return "info";
    case Weight::Warning:
      return "warning";
    case Weight::Failure:
      break;
  }
  return "error";
}

}  // namespace

std::optional<LogFormat> parse_log_format(std::string_view text) {
  if (text == "text") return LogFormat::Text;
  if (text == "json") return LogFormat::Json;
  return std::nullopt;
}

void log_to_stderr(const std::string& level, LogFormat format) {
  auto logger = std::make_shared<spdlog::logger>("pyember",
                                                 std::make_shared<spdlog::sinks::stderr_sink_st>());
  logger->set_level(spdlog::level::from_str(level));
  if (format == LogFormat::Json) {
    logger->set_formatter(std::make_unique<JsonLines>());
  } else {
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
  }
  spdlog::set_default_logger(std::move(logger));
}

void speak_as(LogFormat format) { speaking_as = format; }

// In one piece: several processes write there.
void say(Weight weight, std::string_view sentence) {
  const std::string line =
      speaking_as == LogFormat::Json
          ? json_log_line(in_ms(std::chrono::system_clock::now()), level_of(weight), sentence)
          : fmt::format("pyember: {}", sentence);
  fmt::print(stderr, "{}\n", line);
}

}  // namespace pyember::host
