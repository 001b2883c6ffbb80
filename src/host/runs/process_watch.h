#pragma once

#include <functional>
#include <memory>

#include "host/loop/uv_handle.h"
#include "host/runs/process_identity.h"

namespace pyember::host {

// Tells once when a process has ended, whoever started it. Loop's thread only.
class ProcessWatch {
 public:
  ProcessWatch(EventLoop& loop, const ProcessIdentity& process, std::function<void()> ended);
  ~ProcessWatch();
  ProcessWatch(const ProcessWatch&) = delete;
  ProcessWatch& operator=(const ProcessWatch&) = delete;

  // False: the kernel can't tell (or the process is gone already), and somebody has to look.
  bool valid() const { return poll_ != nullptr; }

 private:
  int pidfd_;
  std::unique_ptr<Poll> poll_;
};

}  // namespace pyember::host
