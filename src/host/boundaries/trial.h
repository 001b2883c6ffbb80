#pragma once

#include <string>

#include "host/boundaries/bubblewrap.h"

namespace pyember::host {

// Runs the command of a sandbox whose program says nothing and ends at once, and waits for it,
// limits::kSandboxProbeDeadline at most. Empty: it worked; else what it said on stderr, or why it
// could not be started.
std::string try_out(SandboxCommand command);

}  // namespace pyember::host
