#pragma once

#include <cstddef>
#include <string>

#include "host/output/excerpt.h"
#include "host/session/host_session.h"
#include "mcp/tool.h"

namespace pyember::host {

// What run_python answers for a cell that is over: fields for programs, one compact text for
// models, and links to output that did not fit the budget (in characters).
mcp::ToolResult answer_for(CellEnd end, std::size_t output_budget);

// The same fields for a cell that ended in the background.
mcp::Json describe_outcome(const std::string& session, embed::CellNumber number,
                           const embed::CellOutcome& outcome, const Excerpt& excerpt);

// The schema of those fields.
mcp::Json cell_output_schema();

// Appends resource_link blocks for the streams that were cut.
void append_output_links(mcp::Json& content, const std::string& session, embed::CellNumber number,
                         const CellOutput* output, const Excerpt& excerpt);

}  // namespace pyember::host
