#pragma once

#include <sys/types.h>

#include <memory>
#include <vector>

#include "base/descriptor.h"
#include "base/result.h"
#include "base/spawn.h"
#include "host/workers/zygote_start.h"

namespace pyember::host {

// What a zygote that is started here gets: the control socket as descriptor kNumber, /dev/null as 0
// and a pipe to the server's log as 1 and 2. The zygote's ends are closed here with this.
class ControlChannel {
 public:
  static constexpr int kNumber = 3;  // in the zygote

  // The error: descriptors have run out.
  static Result<ControlChannel> open();

  std::vector<ChildDescriptor> for_child() const;
  // It was started: takes the server's ends.
  StartedZygote started(pid_t pid, std::shared_ptr<ZygoteRoom> room);

 private:
  ControlChannel() = default;

  Descriptor control_, control_there_;
  Descriptor log_, log_there_;
};

}  // namespace pyember::host
