#pragma once

#include <cstddef>
#include <string>

#include "host/output/excerpt.h"
#include "host/session/host_session.h"
#include "host/session/session_products.h"
#include "mcp/tool.h"

namespace pyember::host {

// What run_python answers for a cell that is over: fields for programs, one compact text for
// models, links to output that did not fit the budget (in characters), and what the cell showed
// and wrote: pictures as pictures, Markdown and plain text as text as far as the budget goes,
// everything else as links.
mcp::ToolResult answer_for(CellEnd end, std::size_t output_budget);

// The same fields for a cell that ended in the background.
mcp::Json describe_outcome(const std::string& session, embed::CellNumber number,
                           const embed::CellOutcome& outcome, const Excerpt& excerpt,
                           Isolation isolation, const SessionProducts* products = nullptr);

// Appends blocks for what the cell showed and wrote; texts take `budget` characters at most.
void append_products(mcp::Json& content, const std::string& session, embed::CellNumber number,
                     const SessionProducts& products, std::size_t budget);

// The schema of those fields.
mcp::Json cell_output_schema();

// Appends resource_link blocks for the streams that were cut.
void append_output_links(mcp::Json& content, const std::string& session, embed::CellNumber number,
                         const CellOutput* output, const Excerpt& excerpt);

}  // namespace pyember::host
