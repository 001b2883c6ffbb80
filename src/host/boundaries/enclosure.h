#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "base/result.h"
#include "host/boundaries/allowed_paths.h"
#include "host/boundaries/boundary_rooms.h"
#include "host/runs/run_spec.h"

namespace pyember::host {

// What a run behind a boundary has there besides what every room has.
struct Enclosed {
  std::string python;            // the interpreter, absolute
  std::string environment_root;  // of a virtual environment; may be empty
  std::vector<AllowedPath> shown;
  std::string working_directory;
  // A file of its own, which can't be changed: inline code.
  std::string file_path;  // empty: none
  std::shared_ptr<const Descriptor> file;
};

// Puts a run into a sandbox of its own: from its `command`, `environment` (what the run shall have
// besides the sandbox's; nothing is inherited) and `limits` the whole of it. The limits are those
// of the server's rooms, or the run's where they are lower. The runner stays outside, so that the
// run outlives this server, and is measured, limited and ended as others are (docs/runner.md).
//
// What the caller sets for the run is not set for what makes the sandbox: its variables come under
// other names, which only the last step before the program takes off.
Result<void> enclose_in_sandbox(BoundaryRooms& rooms, const Enclosed& enclosed, RunSpec& spec);

// The same in a container of its own, with the image's Python: of the interpreter's environment its
// packages are there. What the run took is measured in there. Its variables are podman's to keep
// as long as the container lives.
Result<void> enclose_in_container(BoundaryRooms& rooms, const Enclosed& enclosed, RunSpec& spec);

// What both kinds of boundaries do to a run's limits. Whether control groups are there to keep
// them, `memory` and `processes`, is the runner's to use.
void lower_limits(const SandboxSettings& settings, RunLimits& limits);

}  // namespace pyember::host
