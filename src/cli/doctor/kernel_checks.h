#pragma once

#include "cli/doctor/finding.h"
#include "host/loop/event_loop.h"

namespace pyember::cli {

// What the kernel lets us do, found out by trying it in a child: this same program started with
// kKernelProbe, so that nothing tried here changes the process that asks.
inline constexpr const char* kKernelProbe = "--probe-kernel";

// The child: prints one line for each thing tried, NAME=ok or NAME=why not. Returns its exit code.
int probe_kernel();

void add_kernel_findings(Findings& findings, host::EventLoop& loop);

}  // namespace pyember::cli
