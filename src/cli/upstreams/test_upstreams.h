#pragma once

#include "cli/upstreams_command.h"

namespace pyember::cli {

// `pyember upstreams test`: starts the upstreams one after the other, as the server would, and says
// how long that took and what tools they have, or what is wrong. What they say of their tools is
// kept for the server.
int test_upstreams(const UpstreamsCommand& command);

}  // namespace pyember::cli
