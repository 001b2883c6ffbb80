#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "host/jobs/job_registry.h"
#include "host/session/session_registry.h"

namespace pyember::host {

struct BackgroundCell {
  embed::CellNumber number = 0;
  std::string job_id;   // empty: it runs, and no job could be made for it
  std::string problem;  // why not
};

// Runs a cell that its caller does not wait for, as a job: listed, cancelled and read like every
// other, and kept in the store when it is over. Both registries outlive the cell.
Result<BackgroundCell> run_in_background(SessionRegistry& sessions, JobRegistry& jobs,
                                         const std::string& session, CellSpec spec,
                                         std::size_t output_budget);

}  // namespace pyember::host
