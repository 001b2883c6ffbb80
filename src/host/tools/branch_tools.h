#pragma once

#include "host/session/session_registry.h"
#include "mcp/tool.h"

namespace pyember::host {

// Adds fork_session and undo_session. The registry outlives the catalog.
void add_branch_tools(mcp::ToolCatalog& catalog, SessionRegistry& registry);

}  // namespace pyember::host
