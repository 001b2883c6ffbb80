#pragma once

#include "cli/doctor/program_checks.h"

namespace pyember::cli {

struct DoctorOptions {
  bool json = false;
  bool probe_kernel = false;  // only look at the kernel, in this process (kernel_checks.h)
};

// `pyember doctor`: looks at everything pyember needs, says what it found and what to do. Changes
// nothing. The exit code: 0, or 1 when something pyember is for does not work. Call it before any
// thread exists; the process must end with _exit.
int doctor(const DoctorOptions& options, const RuntimeFactory& start_runtime);

}  // namespace pyember::cli
