#pragma once

#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "fake_runtime.h"
#include "host/questions/session_services.h"
#include "host/workspace/workspaces.h"
#include "journal/journal_memory.h"
#include "loop_fixture.h"
#include "support/catch.h"

namespace pyember::host {

// The server's state lies in a folder of the test's own.
class StateFolder {
 public:
  StateFolder() {
    path_ = (std::filesystem::temp_directory_path() / "pyember-workspaces-XXXXXX").string();
    if (mkdtemp(path_.data()) == nullptr) abort();
    setenv("PYEMBER_STATE_DIR", path_.c_str(), 1);
  }
  ~StateFolder() {
    unsetenv("PYEMBER_STATE_DIR");
    std::filesystem::remove_all(path_);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// What workspaces share, with a fake runtime, and the workspaces.
struct WorkspaceFixture : LoopFixture {
  StateFolder state;
  Options options = with_jobs(state.path());
  PythonEnvironment environment;
  FakeRuntime runtime;
  journal::JournalMemory memory =
      journal::JournalMemory::make(journal::JournalMemory::Kind::Private).take();
  journal::SessionLog log{memory.layout()};
  Environments environments{loop, {state.path() + "/environments", 1 << 20}};
  ServerRooms rooms{loop, [this]() -> embed::Runtime& { return runtime; }, environment,
                    environments};
  SessionCpus cpus{loop};
  PythonServices services{[this]() -> embed::Runtime& { return runtime; }, loop, poster};
  SessionServices calls{loop, nullptr};
  ServerMetrics metrics{0};
  Workspaces workspaces{{options, environment, loop, poster, environments, rooms, cpus, services,
                         calls, nullptr, &log, [] { return false; }, &metrics}};

  static Options with_jobs(const std::string& folder) {
    Options options;
    options.jobs_directory = folder + "/jobs";
    options.isolation = Isolation::InProcess;
    options.upstreams = false;
    return options;
  }
  Workspace& of(const std::string& principal) {
    const Result<Workspace*> found = workspaces.of(principal);
    REQUIRE(found);
    return *found.value();
  }
};

}  // namespace pyember::host
