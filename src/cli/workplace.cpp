#include "cli/workplace.h"

#include <unistd.h>

#include "host/options.h"
#include "host/script_executor.h"

namespace pyember::cli {

Workplace::Workplace()
    : poster_(loop_),
      directory_(host::find_jobs_directory()),
      jobs_(loop_, {directory_, host::find_runner()}) {
  // A server's job that ended while no server ran is finished here as the server would have.
  jobs_.on_result(host::job_result);
}

bool Workplace::has_jobs() const {
  for (const char* name : {"/jobs.db", "/jobs.json"}) {
    if (access((directory_ + name).c_str(), F_OK) == 0) return true;
  }
  return false;
}

bool Workplace::run(std::chrono::milliseconds deadline) {
  bool in_time = true;
  host::Timer timer(loop_, [&] {
    in_time = false;
    loop_.stop();
  });
  if (deadline.count() > 0) timer.start(deadline);
  loop_.run();
  return in_time;
}

}  // namespace pyember::cli
