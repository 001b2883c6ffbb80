#pragma once

#include <string>

#include "embed/execution.h"
#include "host/workers/worker_place.h"

namespace pyember::host {

// Why a worker is no more.
struct WorkerEnd {
  enum class Kind {
    Exited,      // `number` is the exit code
    Signalled,   // `number` is the signal
    Vanished,    // nobody could tell how it ended
    WireClosed,  // it lives (or did) but talks to us no more
    Broke,       // it broke the rules of the wire: `detail`
    NotMade,     // `detail` says why
    ZygoteLost,  // `detail` is a whole message for people
    Replaced,    // we killed it to begin anew
  };
  Kind kind = Kind::Vanished;
  int number = 0;
  std::string detail;
  std::string crash_text;          // what faulthandler wrote
  bool memory_ran_out = false;     // the kernel has killed processes for that while it lived
  bool over_memory_limit = false;  // the same, of this session's
};

// The exit code by which a worker says that its wire is of no use any more (docs/workers.md).
inline constexpr int kWireLostCode = 76;  // EX_PROTOCOL of sysexits.h

// The error of the cell that ran meanwhile, and (its message) the reason that people are told: what
// happened, that the state is gone, what to do. The traceback is the same, then the stack.
embed::CellError describe_end(const WorkerEnd& end, const WorkerLimits& limits);

// The same for a cell that had to be stopped by force. `when`: "its time was over".
embed::CellError describe_forced_stop(const char* when);

}  // namespace pyember::host
