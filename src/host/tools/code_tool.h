#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/limits.h"
#include "host/session/session_registry.h"
#include "host/tools/output_mode.h"
#include "host/tools/progress.h"
#include "mcp/tool.h"

namespace pyember::host {

// The servers that a run names, as its code may use them; an error when one is not configured.
using AllowServers = std::function<Result<std::shared_ptr<const std::vector<std::string>>>(
    const std::vector<std::string>&)>;

struct CodeToolSettings {
  std::chrono::milliseconds default_timeout = limits::kCodeModeTimeout;
  std::chrono::milliseconds maximum_timeout = limits::kCodeModeTimeout;
  std::size_t output_budget = limits::kOutputBudgetCharacters;
  OutputMode output_mode = OutputMode::Compact;
  bool sessions_stay = true;  // else each call has a session of its own
  // Where sessions find packages. What code imports, is well known and is not there is installed;
  // unset: nothing is.
  std::optional<std::vector<std::string>> package_directories = {};
  AllowServers allow = {};  // empty: there are none, and naming some changes nothing
};

// run_python as profile code lists it: a listing of at most 250 tokens, however many servers are
// behind it, and answers as code_answer.h writes them. Wrong arguments are answered in that form
// too, and so are tools that are not there. Where sessions run is the server's to say, not the
// caller's. All outlive the catalog.
void add_code_tool(mcp::ToolCatalog& catalog, EventLoop& loop, SessionRegistry& registry,
                   ProgressTicker& ticker, CodeToolSettings settings);

}  // namespace pyember::host
