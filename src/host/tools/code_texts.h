#pragma once

#include <string_view>

// What a model is told of code mode, in the schema of its one tool and in its resource.
namespace pyember::host {

// How to find tools, to call them, to keep functions, and where more is told.
inline constexpr std::string_view kHelperHint =
    "Discover: await runtime.search_tool_docs('topic'), runtime.query_tool_docs('server'). "
    "Call: await mcp_servers['server'].tool(arg=1); asyncio.gather for many. "
    "Keep for later sessions: save_tool(function). "
    "Manual: print(runtime.capability_summary())";

}  // namespace pyember::host
