#pragma once

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "host/jobs/job_registry.h"
#include "loop_fixture.h"
#include "support/catch.h"

namespace pyember::host {

// A folder that is gone with its owner.
struct TemporaryFolder {
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "pyember-jobs-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::string path;
};

inline std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

inline void write_text(const std::string& path, std::string_view text) {
  std::ofstream(path) << text;
}

inline RunSpec shell_run(const std::string& script) {
  RunSpec spec;
  spec.command = {"/bin/sh", "-c", script};
  spec.working_directory = "/tmp";
  spec.environment = {{"PATH", "/usr/local/bin:/usr/bin:/bin"}};
  return spec;
}

// A registry on a folder of its own, with the real runner.
struct JobFixture : LoopFixture {
  TemporaryFolder folder;
  std::unique_ptr<JobRegistry> registry;

  JobFixture() { reopen(); }

  JobRegistry::Settings settings() const { return {folder.path + "/meta", PYEMBER_RUNNER}; }
  void reopen() {
    registry.reset();
    registry = std::make_unique<JobRegistry>(loop, settings());
    registry->on_result([](const Job& job, const JobOutput& output) {
      return mcp::Json{{"exit_code", job.end->exit_code},
                       {"stdout", output.read(Stream::Stdout, 0, 1 << 20)}};
    });
  }

  std::string create(const std::string& tool = "run_script_in_dir") {
    const Result<std::string> id = registry->create(tool, "", nullptr);
    REQUIRE(id.ok());
    return id.value();
  }
  // Until the runner runs, or it is known why not.
  Result<void> launch(const std::string& id, const RunSpec& spec) {
    std::optional<Result<void>> outcome;
    registry->launch(id, spec, [&outcome](Result<void> told) { outcome = std::move(told); });
    CHECK_FALSE(outcome);
    REQUIRE(until([&outcome] { return outcome.has_value(); }));
    return *outcome;
  }
  std::string run(const std::string& script) {
    const std::string id = create();
    REQUIRE(launch(id, shell_run(script)).ok());
    return id;
  }

  JobStatus status(const std::string& id) { return registry->find(id)->status; }
  std::string output(const std::string& id, Stream stream = Stream::Stdout) {
    return registry->output(id)->read(stream, 0, std::size_t{1} << 26);
  }
  bool ends(const std::string& id) {
    bool over = false;
    registry->watch_end(id, [&over](const Job&) { over = true; });
    return until([&over] { return over; });
  }
  std::string file() const { return folder.path + "/meta/jobs.json"; }
  mcp::Json in_file() const {
    auto json = mcp::parse_json(text_of(file()));
    return json ? json.take() : mcp::Json::array();
  }
  mcp::Json in_file(const std::string& id) const {
    for (const mcp::Json& record : in_file()) {
      if (record["id"] == id) return record;
    }
    return nullptr;
  }
};

}  // namespace pyember::host
