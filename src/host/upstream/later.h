#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "host/loop/uv_handle.h"

namespace pyember::host {

// Does things in a later turn of the loop, in their order. What is still to be done when this is
// destroyed is dropped. It may be destroyed by what it does only when nothing follows.
class Later {
 public:
  explicit Later(EventLoop& loop) : timer_(loop, [this] { run(); }) {}

  void call(std::function<void()> work) {
    work_.push_back(std::move(work));
    if (work_.size() == 1) timer_.start(std::chrono::milliseconds(0));
  }

 private:
  void run() {
    for (auto& each : std::exchange(work_, {})) each();
  }

  std::vector<std::function<void()>> work_;
  Timer timer_;
};

}  // namespace pyember::host
