#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "host/tools/run_python.h"

// run_python with branch=true: several codes race in copies of the session.
namespace pyember::host {

// What a call that may be a race has in its arguments: branch, pick, or a list of codes.
bool speaks_of_race(const mcp::Json& arguments);

struct RaceParts {
  SessionRegistry& registry;
  ProgressTicker& ticker;
  const RunPythonSettings& settings;
};

// Makes the call, or answers why not; nothing has happened then. Session and wish are those of the
// arguments, the timeout is each candidate's.
void begin_race_call(const std::shared_ptr<mcp::ToolCall>& call, const RaceParts& parts,
                     const std::string& session, std::chrono::milliseconds timeout,
                     std::unique_ptr<SessionWish> wish);

// The arguments and the fields of the answer, for the profiles that have races.
void add_race_properties(mcp::Json& properties);
void add_race_fields(mcp::Json& output_properties);

}  // namespace pyember::host
