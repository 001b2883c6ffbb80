#pragma once

#include "host/boundaries/caller_paths.h"
#include "host/environments/environments.h"
#include "host/loop/event_loop.h"
#include "host/tools/progress.h"
#include "mcp/tool.h"

// Tools beside the script executor's contract; listed in the profile full only.
namespace pyember::host {

struct QualityParts {
  EventLoop& loop;
  Environments& environments;
  ProgressTicker& ticker;
  CallerPaths named = {};  // what calls may name
};

// format_code (ruff) and static_analysis (ruff and bandit), each in an environment of its own that
// uv makes at the first use.
void add_quality_tools(mcp::ToolCatalog& catalog, const QualityParts& parts);

// environment_cache_list, environment_create_persistent, environment_remove.
void add_environment_tools(mcp::ToolCatalog& catalog, const QualityParts& parts);

}  // namespace pyember::host
