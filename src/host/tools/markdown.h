#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mcp/json.h"

// The one place where answers become markdown: for reading, and stable enough to be tested. Every
// function sees the structured answer only.
namespace pyember::host {

// A fenced block around `text`, with a fence longer than any run of backticks in it.
std::string fenced(std::string_view text, std::string_view language = {});

// `text` as inline code, or as a table's cell: on one line, bars escaped.
std::string inline_code(std::string_view text);
std::string table_cell(std::string_view text);

struct Column {
  const char* title;
  const char* member;  // of each row's object; strings and numbers as they are, null: empty
};
// A table of objects and "N of M shown"; `total` below the number of rows counts as it.
std::string table(const std::vector<Column>& columns, const mcp::Json& rows, std::size_t total);

// What a script's run gave: status in the heading, a line of facts, stdout, stderr, and figures
// where something was measured. A background descriptor (job_id, status) is recognised.
std::string run_markdown(const std::string& title, const mcp::Json& result);
// The figures only: a table of every member named, with units.
std::string figures_table(const mcp::Json& result, const std::vector<Column>& rows);

// The descriptor of a job that goes on: id, status, message, and the next call to make.
std::string background_markdown(const std::string& title, const mcp::Json& descriptor);

// Any other small object: a heading and one bullet for each member. Long texts become fenced
// blocks.
std::string fields_markdown(const std::string& title, const mcp::Json& fields);

std::string error_markdown(std::string_view tool, std::string_view cause, std::string_view fix);

}  // namespace pyember::host
