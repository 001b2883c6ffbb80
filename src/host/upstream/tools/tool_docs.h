#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "host/upstream/config/definition.h"
#include "host/upstream/tools/tool_description.h"
#include "mcp/json.h"

// What code is told about tools.
namespace pyember::host {

enum class DocDetail { Summary, Full };

// "full" is Full; all other words are Summary.
DocDetail doc_detail(std::string_view word);

// {name, server, serverAlias, tool, toolAlias, description?}; Full: signature, docstring,
// inputSchema and outputSchema? too.
mcp::Json tool_doc(const ServerTools& server, const ToolDescription& tool, DocDetail detail);

// {name, alias, title?, description, input_schema, output_schema, annotations, parameters}: what a
// proxy is made from. `parameters` are the names of arguments in the order of positional ones.
mcp::Json tool_specification(const ToolDescription& tool);

// One line of Python: `create_issue(repo: str, title: str, labels: list[str] = ...) -> dict`.
// Names that Python can't have are left out and stand in the docstring. Bounded.
std::string tool_signature(const ToolDescription& tool);

// What help() shows: the description, then a line for each argument. Bounded.
std::string tool_docstring(const ToolDescription& tool);

// Errors of three parts, with the nearest names.
std::string no_such_tool(const ServerTools& server, std::string_view name);
std::string no_such_server(const UpstreamConfiguration& configured, std::string_view name);

}  // namespace pyember::host
