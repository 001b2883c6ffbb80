#pragma once

#include "cli/upstreams_command.h"

namespace pyember::cli {

// `pyember upstreams import`: shows which files of clients and of this folder define MCP servers,
// and what they would start, without secrets; on a terminal it asks for each whether it may be
// read. --yes FILE and --remove FILE say so at once. Starts nothing.
int import_upstreams(const UpstreamsCommand& command);

}  // namespace pyember::cli
