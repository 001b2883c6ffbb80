#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "host/jobs/job.h"
#include "host/scripts/script_preparer.h"
#include "host/tools/tool_answer.h"
#include "mcp/errors.h"
#include "mcp/json.h"

namespace pyember::host {

// The exit code of a run whose timeout came in its set-up: as if TERM had ended it.
inline constexpr int kEndedBeforeItRan = -15;

// A whole number of milliseconds, none of them lost.
inline std::chrono::milliseconds in_ms(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000) + 1);
}

// What is known of a run besides its output and its end; kept in Job::details, so that a server
// that adopts the run can answer for it.
struct RunFacts {
  std::string strategy;
  std::string python_version;
  std::vector<std::string> dependencies;
  std::vector<std::string> auto_added;
  std::vector<std::string> locked;
  double setup_seconds = 0;
  std::string autosaved;           // the saved copy's name
  std::string isolation;           // "sandbox", "container"; empty: none
  std::vector<std::string> notes;  // of it
  bool with_dependencies = false;  // RunWithDepsResult
  bool stream = false;
  std::size_t max_output_chars = 0;  // of one answer; 0: everything
  bool markdown = true;              // AnswerForm's, for a server that goes on with a task

  mcp::Json to_json() const;
  static RunFacts from_json(const mcp::Json& details);
};

// What a script's preparation has found out.
RunFacts facts_of(const PreparedScript& script, RunFacts so_far);

// RunScriptResult or RunWithDepsResult for a run that ended; null when it was never started, or
// nothing is known of its end. Output over the budget shows head and tail and how to read the rest.
mcp::Json run_result(const Job& job, const JobOutput& output);

// The same without a process: what ended it before there was one (uv's failure, a timeout).
mcp::Json failed_run_result(const RunFacts& facts, int exit_code, const std::string& stderr_text,
                            double elapsed_seconds);

// What a task shows as its message whose job was cancelled by somebody else.
inline constexpr const char* kJobCancelled = "Its job was cancelled.";
inline constexpr const char* kNeverBegun =
    "the run was cancelled before it had begun.\nRun it again.";
mcp::ToolResult never_begun(const AnswerForm& form);
// The error of a task whose run nobody saw the end of; `why` is one sentence or more.
mcp::RpcError lost_run_error(const std::string& tool, std::string why);

// Text of a stream: all of it, or its beginning and end within `budget` characters.
struct StreamExcerpt {
  std::string text;
  bool cut = false;
};
StreamExcerpt excerpt_of(const JobOutput& output, Stream stream, std::size_t budget,
                         const std::string& job_id);
// The budget for both streams shared out; one that needs less than half leaves the rest.
std::pair<std::size_t, std::size_t> shared_budget(const JobOutput& output, std::size_t budget);

// One more; notes are one text.
void add_note(mcp::Json& result, const std::string& note);

double rounded(double seconds);  // to microseconds

}  // namespace pyember::host
