#pragma once

#include "runner/child.h"
#include "runner/confinement.h"
#include "runner/failure.h"
#include "runner/job_folder.h"
#include "runner/options.h"
#include "runner/run.h"

namespace pyember::runner {

// Both write the job's `exit`; false: it could not be written.

// Of a run that could not begin.
bool publish_failure(const JobFolder& folder, const Failure& failure);

bool publish_ending(const JobFolder& folder, const Options& options, const Confinement& confinement,
                    const Child& child, const Ending& ending);

}  // namespace pyember::runner
