#pragma once

#include "host/options.h"
#include "mcp/server.h"

namespace pyember::host {

// What clients are told of this server, and their models once, besides the tools' descriptions.
mcp::ServerInfo server_info(const Options& options);

}  // namespace pyember::host
