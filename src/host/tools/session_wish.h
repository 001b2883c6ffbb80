#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "host/session/session_plan.h"
#include "mcp/json.h"

namespace pyember::host {

// What a call of run_python asks of its session (isolation, dependencies, python_version, limits,
// confine); null when it asks for nothing. The arguments were checked against the schema.
Result<std::unique_ptr<SessionWish>> wish_in(const mcp::Json& arguments);

// The schema of those arguments, for the profiles that list them.
void add_wish_properties(mcp::Json& properties);

}  // namespace pyember::host
