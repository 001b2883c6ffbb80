#pragma once

#include "cli/upstreams_command.h"

namespace pyember::cli {

// `pyember upstreams list`: what is configured, what is known of its tools, and what was not read.
// Starts nothing.
int list_upstreams(const UpstreamsCommand& command);

// Where the server keeps the tools of upstreams; what a trial found out goes there, too.
std::string tools_folder();

}  // namespace pyember::cli
