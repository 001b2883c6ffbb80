#include "host/boundaries/container_pull.h"

#include <fmt/format.h>

#include <utility>

#include "base/limits.h"
#include "host/boundaries/container_failures.h"

namespace pyember::host {

ContainerPull::ContainerPull(EventLoop& loop, ContainerRuntime runtime, ContainerSettings settings)
    : loop_(loop), runtime_(std::move(runtime)), settings_(std::move(settings)) {}

Error ContainerPull::image_is_missing() {
  if (settings_.image.starts_with("localhost/")) {
    return container_error(ContainerFailure::ImageMissing, runtime_, settings_, {});
  }
  if (!failure_.empty()) {
    return container_error(ContainerFailure::ImageUnreachable, runtime_, settings_,
                           std::exchange(failure_, {}));
  }
  if (!running()) {
    since_ = std::chrono::steady_clock::now();
    command_ = std::make_unique<HelperCommand>(
        loop_,
        HelperCommand::Settings{pull_command(runtime_, settings_), helper_environment(), "/",
                                limits::kContainerPullDeadline},
        [this](const CommandEnd& end) { ended(end); });
  }
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - since_);
  return {
      ErrorCode::Unavailable,
      fmt::format("The session has no container yet: the image {} was not on this machine, and "
                  "{} has been pulling it for {} s. Send the cell again in a minute, name an "
                  "image that is here with MCP_BRIDGE_IMAGE, or use the built-in sandbox, which "
                  "needs none: isolation=\"sandbox\" with the call, or a server started "
                  "without MCP_BRIDGE_RUNTIME.",
                  settings_.image, runtime_.program, seconds.count())};
}

void ContainerPull::ended(const CommandEnd& end) {
  if (end.timed_out) {
    failure_ =
        fmt::format("It was given {} s.", limits::kContainerPullDeadline / std::chrono::seconds(1));
  } else if (!end.start_error.empty()) {
    failure_ = end.start_error;
  } else if (end.exit_code != 0) {
    failure_ = end.errors.empty() ? fmt::format("exit code {}", end.exit_code) : end.errors;
  }
  command_.reset();
}

}  // namespace pyember::host
