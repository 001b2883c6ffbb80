#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "host/output/output_store.h"
#include "host/runs/process_identity.h"
#include "host/runs/run_spec.h"
#include "mcp/json.h"

namespace pyember::host {

// What a runner writes into its job's folder (docs/runner.md), as it is read here. The files come
// from a process of ours, but anybody who may write to the folder could have changed them: what is
// malformed counts as missing.

struct RunnerRecord {
  ProcessIdentity runner;
  pid_t child = 0;
  double started_at = 0;  // Unix seconds
};

std::string stream_path(const std::string& folder, Stream stream);

std::optional<RunnerRecord> read_runner(const std::string& folder);
std::optional<RunEnd> read_exit(const std::string& folder);

// The runner lives: it holds the folder's lock. False as well when there is no lock yet.
bool runner_holds_lock(const std::string& folder);

// The exit record's members, and back; the same form is kept in the store.
mcp::Json to_json(const RunEnd& end);
std::optional<RunEnd> run_end_from(const mcp::Json& record);

}  // namespace pyember::host
