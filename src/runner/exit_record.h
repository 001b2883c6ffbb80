#pragma once

#include "runner/child.h"
#include "runner/confinement.h"
#include "runner/failure.h"
#include "runner/job_folder.h"
#include "runner/options.h"
#include "runner/run.h"

namespace pyember::runner {

// Each writes the job's `exit`; false: it could not be written.

// Of a run that could not begin.
bool publish_failure(const JobFolder& folder, const Failure& failure);

// Of a run whose runner was killed; what there was of it has been killed too. Does nothing when the
// end was already recorded.
bool publish_lost(const JobFolder& folder);

bool publish_ending(const JobFolder& folder, const Options& options, const Confinement& confinement,
                    const Child& child, const Ending& ending);

}  // namespace pyember::runner
