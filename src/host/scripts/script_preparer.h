#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "host/environments/environments.h"
#include "host/runs/run_spec.h"
#include "host/scripts/script_boundaries.h"
#include "host/scripts/script_library.h"
#include "host/services/python_services.h"

namespace pyember::host {

// What a caller asked to be executed, as the execution tools share it (CONTRACTS A2).
struct ScriptRequest {
  std::string tool;
  std::optional<std::string> directory;  // the in_dir tools
  std::optional<std::string> script_path;
  std::optional<std::string> script_content;
  std::vector<std::string> arguments;
  bool use_uv = true;
  std::optional<std::string> python_version;
  std::string default_python_version;  // when nothing else says which; empty: uv's choice
  std::vector<std::string> dependencies;
  bool scan_imports = true;         // add what the script imports and nobody named
  bool ignore_project = true;       // a project in the working directory is not taken into account
  bool interpreter_itself = false;  // measured: the interpreter is started, never `uv run`
  std::vector<std::string> interpreter_options;  // before the script, e.g. -m cProfile -o FILE
  std::map<std::string, std::string> env_vars;
  std::optional<std::string> env_file;
  std::chrono::milliseconds timeout{0};
  RunLimits limits;
  std::optional<std::string>
      isolation;                     // "none", "sandbox", "container"; none: as the server has it
  bool keeps_directory = false;      // behind a boundary: it is not written to
  std::vector<std::string> helpers;  // files of ours that a script behind a boundary is to see
  std::optional<double> sample_interval;
  mcp::Json parameters;  // for the sidecar of an inline script
};

// The same, ready to run.
struct PreparedScript {
  RunSpec spec;
  std::string script_path;
  std::optional<ScriptLibrary::Saved> autosaved;
  std::string strategy;  // "uv-run" or "system-python"
  std::string python_version;
  std::vector<std::string> dependencies;  // asked for and added, in order
  std::vector<std::string> auto_added;
  std::vector<std::string> locked;
  Boundary boundary = Boundary::None;
  std::vector<std::string> notes;  // of the boundary, for the caller
  double setup_seconds = 0;        // how long its environment took to make; 0: it was ready
};

// Either a script ready to run, or what ended the preparation: an Error (bad input, nothing to run
// it with: A8), or uv's own failure, which is answered like a run that failed.
struct PreparationFailure {
  std::optional<Error> error;
  EnvironmentFailure environment;
  std::vector<std::string> dependencies;  // that were asked for
};

// Turns a request into a command: checks paths, saves inline code, reads .env files, scans imports,
// chooses between uv and the system's Python, and has the environment made. Loop's thread only.
//
// The system's Python is started as found on PATH. With uv, `uv run` itself runs what depends on
// more than a list of packages (a script with inline metadata, a project in the working directory);
// everything else runs in an environment that is found ready under its packages, with its
// interpreter started directly, which saves uv's own start. Both are reported as "uv-run".
class ScriptPreparer {
 public:
  using Done = std::function<void(std::optional<PreparedScript>, PreparationFailure)>;
  // Called once, when all but the environment is known: strategy, python_version, dependencies,
  // autosaved. Not called when the preparation fails before.
  using Known = std::function<void(const PreparedScript&)>;

  ScriptPreparer(EventLoop& loop, ScriptLibrary& library, PythonServices& services,
                 Environments& environments, const ScriptBoundaries& boundaries);
  ~ScriptPreparer();

  // What is wrong with the request itself (paths, both or neither of path and content) is an error
  // at once, and `done` is never called. Otherwise it is called once, in a later turn of the loop.
  // cancel() with the number: never.
  Result<std::uint64_t> prepare(ScriptRequest request, Done done, Known known = nullptr);
  void cancel(std::uint64_t preparation);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pyember::host
