#pragma once

#include <functional>
#include <initializer_list>

#include "host/loop/uv_handle.h"

namespace pyember::host {

// Tells the loop that the process was asked to end. At most one exists at a time.
//
// Not uv_signal: its handler writes to a pipe, and on a session's thread, which has a descriptor
// table of its own, that number is another file. Ours forwards the signal to the loop's thread
// when the kernel delivers it elsewhere, and only writes there.
class TerminationSignals {
 public:
  TerminationSignals(EventLoop& loop, std::initializer_list<int> signals,
                     std::function<void(int signal)> callback);
  ~TerminationSignals();

 private:
  std::function<void(int)> callback_;
  UvHandle<uv_async_t> async_;
};

}  // namespace pyember::host
