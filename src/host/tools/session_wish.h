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

// Takes lines such as "%pip install pandas" out of `code` (they become comments, so that lines keep
// their numbers) and adds what they name to the dependencies. Options of pip's are an error.
Result<void> take_install_lines(std::string& code, std::unique_ptr<SessionWish>& wish);

// The schema of those arguments, for the profiles that list them.
void add_wish_properties(mcp::Json& properties);

}  // namespace pyember::host
