#pragma once

#include <functional>
#include <string>

#include "host/services/python_services.h"
#include "mcp/json.h"

namespace pyember::host {

// The samples of a run's memory as [[seconds, bytes], …], thinned out so that peaks stay; null when
// there are too few for a curve.
mcp::Json read_samples(const std::string& path);

// Draws them: `done` gets the content blocks of the answer (one image, or none when there are no
// samples or they could not be drawn: a curve is never worth an error). At once without samples.
void draw_curve(PythonServices& services, mcp::Json samples,
                std::function<void(mcp::Json images)> done);

}  // namespace pyember::host
