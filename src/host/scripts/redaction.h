#pragma once

#include "mcp/json.h"

namespace pyember::host {

// The parameters of a call as they may be written down: values of env_vars, arguments that look
// like secrets, and user names and passwords in URLs become "***". The names stay.
mcp::Json redacted(mcp::Json parameters);

}  // namespace pyember::host
