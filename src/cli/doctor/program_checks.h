#pragma once

#include <string>

#include "cli/doctor/finding.h"
#include "cli/workplace.h"
#include "host/loop/event_loop.h"

namespace pyember::cli {

// The embedded Python is started, to see that it does. The process must end with _exit afterwards.
void add_python_findings(Findings& findings, const RuntimeFactory& start_runtime);

// What scripts are run with: the runner, uv, the system's Python, python-dotenv.
void add_script_findings(Findings& findings, host::EventLoop& loop);

// Programs that later kinds of isolation use; none of them is started.
void add_container_findings(Findings& findings);

// Whether HTTP can be served: the module for it is loaded.
void add_http_findings(Findings& findings);

// Where jobs, environments and scripts are written to.
void add_storage_findings(Findings& findings);

}  // namespace pyember::cli
