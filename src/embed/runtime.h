#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/limits.h"
#include "embed/session.h"

// CPython in this process: initialised once, on a thread of its own, while the server already
// answers. Everything Python lives behind this header.
namespace pyember::embed {

// Switches for tests only: each turns one mitigation off so that a test can show what it is for.
// Read from the environment variable PYEMBER_TEST_SWITCHES by main.cpp (comma separated), which
// says so on stderr.
struct TestSwitches {
  bool no_main_imports = false;  // don't import datetime, _zoneinfo, sqlite3 … in main first
  bool hold_main_gil = false;    // main never releases its GIL
  bool no_executable = false;    // don't set PyConfig.executable
  bool no_loader_hook = false;   // let extension modules be dlopened before they are refused
  bool die_at_start = false;     // the server's process is killed before it has read anything
};

struct RuntimeOptions {
  std::string python_executable;              // absolute; what sys.executable says and children run
  std::string runtime_directory;              // the folder that holds the package mcp_runtime
  std::vector<std::string> site_directories;  // site-packages of the environment; may be empty
  std::string environment_root;   // the environment those belong to (sys.prefix); may be empty
  std::string bundled_directory;  // libraries shipped for sessions; empty: beside the runtime's
  std::size_t spare_interpreters = limits::kSpareInterpreters;
  std::int64_t memory_budget_bytes = 0;  // per session; 0: half of what is free at start
  TestSwitches test;
};

// How the runtime is; read by the server's watchdog on the loop's thread.
struct RuntimeHealth {
  bool started = false;
  std::string start_error;                    // non-empty: CPython could not be started
  std::chrono::milliseconds heartbeat_age{};  // since the runtime last proved that it answers
  std::size_t sessions_live = 0;
  std::size_t interpreters_spare = 0;
  std::size_t interpreters_retired = 0;
  std::int64_t memory_retired_bytes = 0;
};

class Runtime {
 public:
  // Returns at once; CPython starts in the background. Call once in a process, on the loop's
  // thread, before any other thread exists. There is no stop: the process ends with _exit,
  // because parked threads and live interpreters make finalising CPython unsafe.
  static std::unique_ptr<Runtime> start(RuntimeOptions options);
  virtual ~Runtime() = default;

  // Never blocks: the session waits for its interpreter, not the caller. `listener` outlives it.
  virtual std::unique_ptr<Session> open_session(SessionOptions options,
                                                SessionListener& listener) = 0;

  virtual RuntimeHealth health() const = 0;

  // Ends every child process that session code left running; called before _exit. Takes at most
  // `deadline`.
  virtual void end_children(std::chrono::milliseconds deadline) = 0;
};

}  // namespace pyember::embed
