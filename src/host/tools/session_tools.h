#pragma once

#include "host/session/session_registry.h"
#include "host/tools/state_tools.h"
#include "mcp/tool.h"

namespace pyember::host {

struct SessionToolSettings {
  std::size_t output_budget = limits::kOutputBudgetCharacters;
};

// Adds list_sessions, inspect_session, interrupt_session, reset_session and close_session. None of
// them ever waits behind a cell. Registry and settings outlive the catalog.
void add_session_tools(mcp::ToolCatalog& catalog, SessionRegistry& registry,
                       const SessionToolSettings& settings, const StatePlaces& places);

}  // namespace pyember::host
