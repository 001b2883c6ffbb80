#pragma once

#include <functional>

namespace pyember::runner {

// How the work of a kept process ended.
struct KeptEnd {
  bool killed = false;
  int exit_code = 0;  // of work that was not killed
};

// Does `work` in a child process and waits for it, passing SIGTERM and SIGINT on. So nothing of a
// run can outlive whoever owns it: when the working process is killed, the tree below it falls to
// this one, which kills it; when this one is killed, the working process is told to cancel the run.
// `adopts`: both are subreapers. The three signals of Supervision must be blocked.
KeptEnd keep(bool adopts, const std::function<int()>& work);

}  // namespace pyember::runner
