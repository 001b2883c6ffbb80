#include "host/benchmark/run_starter.h"

#include <signal.h>

#include "host/runs/run_files.h"
#include "job_fixture.h"

using namespace pyember;
using namespace pyember::host;

namespace {

struct StarterFixture : LoopFixture {
  TemporaryFolder folder;
  std::unique_ptr<RunnerStarter> starter = std::make_unique<RunnerStarter>(loop, PYEMBER_RUNNER);
  std::optional<RunEnd> end;

  void start(const std::string& script) {
    starter->start(shell_run(script), folder.path, [this](RunEnd told) { end = std::move(told); });
    CHECK_FALSE(end);
  }
  bool ends() {
    return until([this] { return end.has_value(); });
  }
};

}  // namespace

TEST_CASE("Run starter: a run is started and its end is told") {
  StarterFixture runs;
  runs.start("exit 4");
  REQUIRE(runs.ends());
  CHECK(runs.end->exit_code == 4);
  CHECK(runs.end->error.empty());
}

TEST_CASE("Run starter: a runner that can't be started is an end with a reason") {
  StarterFixture runs;
  runs.starter = std::make_unique<RunnerStarter>(runs.loop, "/nowhere/pyember-runner");
  runs.start("true");
  REQUIRE(runs.ends());
  CHECK(runs.end->exit_code == 127);
  CHECK(runs.end->error.find("/nowhere/pyember-runner") != std::string::npos);
}

TEST_CASE("Run starter: a run that is stopped while it is being started ends") {
  StarterFixture runs;
  runs.start("sleep 1000");
  runs.starter->stop();
  REQUIRE(runs.ends());
  CHECK_FALSE(runner_holds_lock(runs.folder.path));
}

TEST_CASE("Run starter: a run that is being started when its starter is destroyed is killed") {
  StarterFixture runs;
  runs.start("sleep 1000");
  runs.starter.reset();
  runs.turn_for(std::chrono::milliseconds(200));
  const auto gone = [&] {
    const auto record = read_runner(runs.folder.path);
    return !runner_holds_lock(runs.folder.path) && (!record || !is_alive(record->runner));
  };
  CHECK(runs.until(gone));
  CHECK_FALSE(runs.end);
}
