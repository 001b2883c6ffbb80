#pragma once

#include "sandbox/options.h"

namespace pyember::sandbox {

// What surrounds the program: its control groups, and the files that are the sandbox's own. For the
// latter this process needs CAP_SYS_ADMIN where its mounts belong, which bubblewrap leaves it.

// Enters the control groups, with everything that is started from here on.
Failure join(const std::vector<std::string>& groups);

// Sets the bounds and the owner of the private folders, writes the texts, and makes the root
// read-only.
Failure furnish(const Options& options);

}  // namespace pyember::sandbox
