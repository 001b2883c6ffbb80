#pragma once

#include <string>
#include <vector>

#include "host/boundaries/sandbox_plan.h"

namespace pyember::host {

// A Python that shall run in a sandbox.
struct SandboxedPython {
  std::string executable;         // absolute; may be a link, also of an environment
  std::string runtime_directory;  // holds the package mcp_runtime
  std::string bundled_directory;
  std::vector<std::string> site_directories;
  std::string environment_root;  // empty: none
};

// A plan with what this Python needs and nothing beside it: where its executable and those that it
// is a link to stand, its installation, the runtime, the packages, and the environment variables of
// a sandbox. An installation in somebody's home folder is never a reason to show the folder itself:
// where the installation's prefix is one that holds other things too, its parts are bound alone.
SandboxPlan sandbox_for_python(const SandboxedPython& python);

}  // namespace pyember::host
