#pragma once

#include <string>
#include <vector>

#include "host/tools/schemas.h"
#include "mcp/json.h"
#include "mcp/tool.h"

// How the script executor's tools are listed. Listings are part of every conversation, so an input
// schema says in words only what a parameter's name does not; the tests hold them to their budget.
namespace pyember::host {

// The properties of an input schema, in the order they are named.
class InputSchema {
 public:
  explicit InputSchema(bool extended) : extended_(extended) {}

  InputSchema& text(const char* name, const char* description = nullptr);
  InputSchema& texts(const char* name);  // a list of strings
  InputSchema& integer(const char* name, std::int64_t by_default);
  InputSchema& plain_integer(const char* name);
  InputSchema& number(const char* name, double by_default);
  InputSchema& flag(const char* name);  // no default worth naming: false
  InputSchema& flag(const char* name, bool by_default);
  InputSchema& map(const char* name);
  InputSchema& choice(const char* name, const std::vector<const char*>& values);
  InputSchema& required(const char* name);
  // Where a script runs.
  InputSchema& isolation();
  // What goes beyond the script executor's contract: in the profile full only.
  InputSchema& limits();
  bool extended() const { return extended_; }

  // With markdown_output, which every tool has.
  mcp::Json take();

 private:
  InputSchema& add(const char* name, mcp::Json schema);

  const bool extended_;
  mcp::Json properties_ = mcp::Json::object();
  mcp::Json required_ = mcp::Json::array();
};

// {"fastmcp":{"tags":[…]}}, as clients of the script executor know it.
mcp::Json tags(const std::vector<const char*>& names);

enum class Effect { Reads, Runs, Writes, Destroys };
mcp::Json hints(Effect effect);

// --- what is answered ----------------------------------------------------------------------------
mcp::Json run_result_schema();           // RunScriptResult
mcp::Json dependencies_result_schema();  // RunWithDepsResult
mcp::Json background_schema();           // {"job_id","status"[,"message"]}
mcp::Json job_schema();                  // a job as py_job_status and py_list_jobs show it

}  // namespace pyember::host
