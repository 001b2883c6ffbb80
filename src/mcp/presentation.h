#pragma once

#include "mcp/prompts.h"
#include "mcp/protocol.h"
#include "mcp/resources.h"
#include "mcp/server.h"
#include "mcp/tool.h"

#include <string>
#include <vector>

// How our things look to a client of a version: what it doesn't know is left out. Each function
// appends JSON text.
namespace pyember::mcp {

void append_server_info(std::string& out, const ServerInfo& info, Version version);
// `extensions`: null: none.
void append_capabilities(std::string& out, const Json& extensions, bool has_prompts);
void append_tool(std::string& out, const Tool& tool, Version version);
void append_resource(std::string& out, const Resource& resource, Version version);
void append_prompt(std::string& out, const Prompt& prompt, Version version);
void append_template(std::string& out, const ResourceTemplate& resource, Version version);

// The members of a tools/call, prompts/get or resources/read result, without the braces.
void append_tool_result(std::string& out, const ToolResult& result, Version version);
void append_contents(std::string& out, const std::vector<ResourceContent>& contents,
                     Version version);

}  // namespace pyember::mcp
