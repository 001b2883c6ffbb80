#pragma once

#include <cstddef>

#include "host/boundaries/caller_paths.h"
#include "host/loop/event_loop.h"
#include "host/services/python_services.h"
#include "host/session/session_registry.h"
#include "mcp/tool.h"

namespace pyember::host {

struct ExportParts {
  SessionRegistry& registry;
  PythonServices& services;
  EventLoop& loop;
  std::size_t output_budget;  // characters; a longer text goes to the session's folder
  CallerPaths named = {};     // what calls may name
};

// Adds export_session. It waits for the session's cells like a cell, because the session itself is
// asked what it has imported; the server's own Python writes the text, and files are written on the
// pool.
void add_export_tool(mcp::ToolCatalog& catalog, const ExportParts& parts);

}  // namespace pyember::host
