// A server that has nothing but jobs, for tests that kill it: opens the store in DIRECTORY, starts
// `sh -c SCRIPT` for each further argument, prints "ready" and the jobs' ids, and then goes on
// until it is killed. Usage: job_server DIRECTORY [SCRIPT...]

#include <unistd.h>

#include <string>

#include "host/jobs/job_registry.h"
#include "host/logging.h"

using namespace pyember;
using namespace pyember::host;

namespace {

bool say(const std::string& line) {
  return write(STDOUT_FILENO, line.data(), line.size()) == static_cast<ssize_t>(line.size());
}

std::string start(EventLoop& loop, JobRegistry& jobs, const char* script) {
  const Result<std::string> id = jobs.create("run_script_in_dir", script, {{"script", script}});
  if (!id) return {};
  RunSpec spec;
  spec.command = {"/bin/sh", "-c", script};
  spec.working_directory = "/tmp";
  spec.environment = {{"PATH", "/usr/local/bin:/usr/bin:/bin"}};
  bool launched = false;
  jobs.launch(id.value(), spec, [&](const Result<void>& outcome) {
    launched = outcome.ok();
    loop.stop();
  });
  loop.run();
  return launched ? id.value() : std::string();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  log_to_stderr("warning");
  EventLoop loop;
  JobRegistry jobs(loop, {argv[1], PYEMBER_RUNNER});
  if (!jobs.open()) return 3;
  for (int i = 2; i < argc; ++i) {
    const std::string id = start(loop, jobs, argv[i]);
    if (id.empty() || !say(id + "\n")) return 4;
  }
  if (!say("ready\n")) return 5;
  uv_timer_t forever{};  // keeps the loop turning
  uv_timer_init(loop.raw(), &forever);
  uv_timer_start(
      &forever, [](uv_timer_t*) {}, 1000, 1000);
  loop.run();
  return 0;
}
