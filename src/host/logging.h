#pragma once

#include <string>

namespace pyember::host {

// Sends log lines of `level` and above to stderr, unbuffered; stdout is the protocol's.
void log_to_stderr(const std::string& level);

}  // namespace pyember::host
