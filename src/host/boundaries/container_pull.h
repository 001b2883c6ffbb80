#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/result.h"
#include "host/boundaries/containers.h"
#include "host/environments/helper_command.h"
#include "host/loop/event_loop.h"

namespace pyember::host {

// Fetches the image that was found to be missing when a container was to be started. That may take
// minutes, longer than a call waits, so whoever wanted the container is told, and it goes on beside
// everything else: one at a time. Loop's thread; destroying it stops that.
class ContainerPull {
 public:
  ContainerPull(EventLoop& loop, ContainerRuntime runtime, ContainerSettings settings);

  // What to tell whoever wanted a container for which there is no image: that it is being fetched,
  // which begins if need be; or why that failed, once. An image that was made on this machine
  // (localhost/…) is not to be had elsewhere: then only that.
  Error image_is_missing();

  bool running() const { return command_ != nullptr; }

 private:
  void ended(const CommandEnd& end);

  EventLoop& loop_;
  const ContainerRuntime runtime_;
  const ContainerSettings settings_;
  std::unique_ptr<HelperCommand> command_;
  std::chrono::steady_clock::time_point since_{};
  std::string failure_;  // of the last time, not told yet
};

}  // namespace pyember::host
