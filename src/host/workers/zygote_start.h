#pragma once

#include <string>

#include "base/descriptor.h"
#include "base/result.h"
#include "host/runs/process_identity.h"

namespace pyember::host {

// A zygote that has been started and has said nothing yet.
struct StartedZygote {
  ProcessIdentity identity;
  Descriptor control;  // non-blocking, keeps packets apart
  Descriptor log;      // non-blocking: what it prints
};

// Starts `python -m mcp_runtime.worker` with what `runtime_directory` holds. The loop's thread
// waits for the new process's exec, a millisecond, and for nothing of what it does then.
Result<StartedZygote> start_zygote(const std::string& python, const std::string& runtime_directory);

}  // namespace pyember::host
