#pragma once

#include <memory>
#include <string>
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

  // What to start, as spawn_on_its_own takes it; `descriptors` come behind the zygote's own.
  struct Command {
    std::vector<std::string> arguments;
    std::vector<std::string> environment;
    std::vector<ChildDescriptor> descriptors = {};
  };
  // For people, when the program can't be run: "No worker could be started", and what to do then.
  struct Failure {
    const char* what;
    const char* instead;
  };
  // Starts the zygote, waiting for its exec; takes the server's ends.
  Result<StartedZygote> start(Command command, std::shared_ptr<ZygoteRoom> room,
                              const Failure& failure);

 private:
  ControlChannel() = default;

  Descriptor control_, control_there_;
  Descriptor log_, log_there_;
};

}  // namespace pyember::host
