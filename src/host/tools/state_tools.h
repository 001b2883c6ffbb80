#pragma once

#include <string>

#include "host/boundaries/caller_paths.h"
#include "host/session/session_registry.h"
#include "mcp/tool.h"

namespace pyember::host {

struct StatePlaces {
  std::string root;               // find_state_directory()
  std::string working_directory;  // whose checkpoints may be restored
  CallerPaths named = {};         // what calls may name
};

// Adds save_session and restore_session. Both wait behind the cells of their session. Registry and
// places outlive the catalog.
void add_state_tools(mcp::ToolCatalog& catalog, SessionRegistry& registry,
                     const StatePlaces& places);

// What restore_session could bring back, for list_sessions: saved states and checkpoints of
// sessions that are not open, newest first.
mcp::Json restorable_states(const SessionRegistry& registry, const StatePlaces& places);

}  // namespace pyember::host
