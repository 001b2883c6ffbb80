#include "host/logging.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

namespace pyember::host {

void log_to_stderr(const std::string& level) {
  auto logger = std::make_shared<spdlog::logger>("pyember",
                                                 std::make_shared<spdlog::sinks::stderr_sink_st>());
  logger->set_level(spdlog::level::from_str(level));
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace pyember::host
