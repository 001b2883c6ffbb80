#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/result.h"
#include "embed/runtime.h"
#include "host/boundaries/allowance.h"
#include "host/logging.h"
#include "host/session/session_plan.h"
#include "host/tools/output_mode.h"
#include "host/tools/profile.h"

namespace pyember::host {

class Policy;
struct HttpOptions;

// Everything that can be set from outside, with its default.
struct Options {
  std::string environment;  // --env; empty: VIRTUAL_ENV, else ./.venv, else none
  std::chrono::milliseconds timeout = limits::kDefaultTimeout;
  std::chrono::milliseconds maximum_timeout = limits::kMaximumTimeout;
  std::size_t maximum_sessions = limits::kMaximumSessions;
  std::size_t spares = limits::kSpareInterpreters;
  std::size_t room_spares = limits::kSpareRooms;  // sandboxes or containers, where they are used
  std::chrono::milliseconds idle_timeout = limits::kIdleSessionTimeout;  // 0: never
  std::size_t output_budget = limits::kOutputBudgetCharacters;
  std::uint64_t held_output_bytes = limits::kHeldOutputBytes;
  std::int64_t memory_budget_bytes = 0;  // per session; 0: half of what is free at start
  std::string jobs_directory;            // empty: find_jobs_directory()
  std::string log_level = "warning";
  LogFormat log_format = LogFormat::Text;
  std::vector<std::string> preloaded;  // --preload; packages that workers have ready
  Allowance allowed;                   // --sandbox-host, --sandbox-path
  bool falls_back_to_fence = false;    // --sandbox-fallback; where there are no sandboxes
  bool supervised = true;              // --no-supervisor; another server follows one that dies
  std::optional<Isolation> isolation;  // --isolation; unset: the profile's default
  std::optional<Boundary> scripts_boundary;  // --sandbox-scripts; unset: a call may ask for one
  // Callers are told apart and not trusted (no --trust-callers): sessions and scripts are behind
  // boundaries, whatever a call asks for. Both are set as well, then.
  bool keeps_callers_apart = false;
  Profile profile = Profile::Full;     // --profile, or what the program's name stands for
  std::string project_root;            // --project-root; empty: found
  bool checkpoints = true;             // --checkpoints
  bool resume = false;                 // --resume; sessions of the last server here are back
  std::string checkpoint_folder;       // taken by main(); empty: no checkpoints are written
  std::vector<std::string> upstream_files;  // --upstreams; before the places that are looked at
  bool upstreams = true;               // --no-upstreams; no MCP servers stand behind this one
  std::shared_ptr<const Policy> upstream_policy;  // --upstream-policy, as it was read; null: none
  std::string server_name = "pyember";  // as clients are told
  OutputMode output_mode = OutputMode::Compact;  // MCP_BRIDGE_OUTPUT_MODE; of profile code
  bool sessions_stay = true;           // MCP_BRIDGE_SESSION_PERSIST; in profile code
  bool installs_imports = true;        // --import-packages; in profile code
  std::shared_ptr<const HttpOptions> http;  // --transport http; null: over stdin and stdout
  embed::TestSwitches test;
};

// An environment (venv) whose packages sessions may import.
struct PythonEnvironment {
  std::string root;        // empty: none
  std::string executable;  // of it, or the embedded Python's own
  std::vector<std::string> site_directories;
  std::string warning;  // something about it that the user should know
};

// Finds the environment: the one named, else VIRTUAL_ENV, else .venv in the working directory. An
// error only when one was named and can't be used.
Result<PythonEnvironment> find_environment(const std::string& named);

// The folder that holds the package mcp_runtime: PYEMBER_RUNTIME_DIR, else beside the installed
// program, else the source tree's.
std::string find_runtime_directory();

// The folder with the libraries shipped for sessions: PYEMBER_BUNDLED, else `bundled` beside the
// program, else beside the package mcp_runtime.
std::string find_bundled_directory();

// pyember-runner, absolute: PYEMBER_RUNNER, else beside the program, else where an installation
// keeps it (lib/pyember). Empty: it is not there, and nothing can be run outside sessions.
std::string find_runner();

// pyember-enter, as the runner: PYEMBER_ENTER, else beside the program, else in lib/pyember. Empty:
// it is not there, and there are no sandboxes.
std::string find_enter();

// pyember-http.so, as the runner: PYEMBER_HTTP_MODULE, else beside the program, else in lib/pyember.
// Empty: it is not there, and HTTP can't be served.
std::string find_http_module();

// Where the jobs are kept: PYTHON_MCP_META, else ~/.python_mcp/meta. Need not exist yet.
std::string find_jobs_directory();

// Where environments for scripts are kept: pyember/environments in the user's cache folder.
std::string find_environments_directory();

// Where the folders of sessions are kept while they live: pyember/sessions in the same place.
std::string find_session_folders_directory();
// What is given to each sandbox and container.
std::string find_boundary_folders_directory();

// Where tools that code has saved are kept: user_tools in MCP_BRIDGE_STATE_DIR, else in ~/MCPs; empty
// without a home folder.
std::string find_saved_tools_directory();

// Where states of sessions are kept: PYEMBER_STATE_DIR, else pyember in the user's state folder
// ($XDG_STATE_HOME, ~/.local/state).
std::string find_state_directory();

// Reads PYEMBER_TEST_SWITCHES, a comma-separated list; unknown words are errors.
Result<embed::TestSwitches> parse_test_switches(const std::string& text);

}  // namespace pyember::host
