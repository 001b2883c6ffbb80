#pragma once

#include <functional>
#include <string>

#include "host/session/session_products.h"
#include "mcp/tool.h"

namespace pyember::host {

// What the tools work on.
struct FileToolParts {
  using FolderOf = std::function<Result<SessionFolder*>(const std::string& session)>;
  FolderOf folder_of;       // an error when there is no such session
  FolderOf folder_to_fill;  // opens the session when there is none
  // What the resource list shows has changed.
  std::function<void()> files_changed;
};

// Adds put_file and list_files. They don't wait behind cells.
void add_file_tools(mcp::ToolCatalog& catalog, FileToolParts parts);

}  // namespace pyember::host
