#pragma once

#include <functional>
#include <string>

#include "host/session/session_products.h"
#include "mcp/tool.h"

namespace pyember::host {

// What the tools work on.
struct FileToolParts {
  // The folder of a session, which is opened if there is none; an error says why it can't be.
  std::function<Result<SessionFolder*>(const std::string& session)> folder_of;
  // What the resource list shows has changed.
  std::function<void()> files_changed;
};

// Adds put_file and list_files. They don't wait behind cells.
void add_file_tools(mcp::ToolCatalog& catalog, FileToolParts parts);

}  // namespace pyember::host
