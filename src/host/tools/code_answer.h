#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "host/session/host_session.h"
#include "host/tools/output_mode.h"
#include "mcp/tool.h"

// What run_python answers in profile code: other fields than elsewhere, and a text for the model
// that holds little more than what was printed.
namespace pyember::host {

// One answer. What is empty is left out.
struct CodeAnswer {
  enum class Status { Success, Error, Timeout, ValidationError };

  Status status = Status::Success;
  std::string summary;               // empty of a success: made of what there is
  std::optional<int> exit_code;      // as of a script; unset: the code was not run to an end
  std::vector<std::string> servers;  // that the call named
  std::string out;                   // what was printed, and the value of the last expression
  std::string errors;                // the same of stderr, and the traceback
  std::string error;                 // what happened, for people
  std::optional<std::chrono::milliseconds> timeout;  // that was exceeded
  std::vector<std::string> notices;                  // what became of the session
};

// The text and the fields of an answer. Blank lines are not in the fields' lists of lines, and
// inside the text they are; lines that say only `()` are in neither when the mode is compact.
mcp::ToolResult rendered(const CodeAnswer& answer, OutputMode mode);

// An answer to a call that could not be served as it is: `error` is short and fixed, `advice` says
// how to go on.
CodeAnswer refused(std::string error, std::string advice);

// What a call asked for, as its answer tells it.
struct CodeCall {
  std::vector<std::string> servers;
  std::chrono::milliseconds timeout{};
};

// The answer for a cell that is over. `output_budget` is in characters; what the cell showed and
// wrote follows the text as blocks of its own.
mcp::ToolResult code_answer_for(CellEnd end, const CodeCall& call, OutputMode mode,
                                std::size_t output_budget);

}  // namespace pyember::host
