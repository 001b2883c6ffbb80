#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "host/loop/event_loop.h"

namespace pyember::host {

// Which packages, for which Python. Two keys with the same sorted dependencies are the same.
struct EnvironmentKey {
  std::string python_version;  // "3.12", or an absolute path; empty: uv's choice
  std::vector<std::string> dependencies;
  std::string resolved_on = {};  // a day, where the newest packages of that day are wanted
  // Nothing is built: what there is no wheel of is refused, for its build would run code of its own
  // as the server's user.
  bool wheels_only = false;
};

struct ReadyEnvironment {
  std::string id;                   // stable for the key
  std::string root;                 // the environment's folder
  std::string python;               // its interpreter, absolute
  std::string version;              // "3.12.4"
  std::vector<std::string> locked;  // name==version, sorted
  double setup_seconds = 0;         // 0: it was ready
  // Shared by all who use it: no server removes the environment before it is gone. Null for a bare
  // interpreter.
  std::shared_ptr<const void> in_use = {};
};

// Why an environment could not be made: what uv said and how it ended, for a result that looks like
// uv's own; `missing` is set when there was no uv or no such Python (an OSError for the caller).
struct EnvironmentFailure {
  int exit_code = 1;
  std::string stderr_text;
  std::optional<Error> missing;
};

struct EnvironmentEntry {
  std::string id;
  std::string name;  // empty: a cached one
  std::string python_version;
  std::vector<std::string> dependencies;
  std::vector<std::string> locked;
  double created_at = 0;
  double used_at = 0;
  std::uint64_t bytes = 0;  // on disk
};

// Environments made by uv, one folder per key, found ready by whoever asks next (also another
// server: folders are made aside and renamed into place). Bounded on disk: the least recently used
// go first; named ones stay. Loop's thread only; waiting callers of one key share one set-up.
class Environments {
 public:
  struct Settings {
    std::string directory;  // ~/.cache/pyember/environments
    std::uint64_t maximum_bytes = 0;
  };
  using Ready = std::function<void(std::optional<ReadyEnvironment>, EnvironmentFailure)>;

  Environments(EventLoop& loop, Settings settings);
  ~Environments();

  // Calls `ready` once, in a later turn of the loop. The number may be given to cancel(): `ready`
  // is then never called, and the set-up is ended unless somebody else waits for it.
  std::uint64_t prepare(EnvironmentKey key, Ready ready);
  void cancel(std::uint64_t request);

  // A named environment that stays until it is removed.
  std::uint64_t prepare_named(std::string name, EnvironmentKey key, Ready ready);
  std::vector<EnvironmentEntry> list();
  Result<void> remove(const std::string& id_or_name);
  // Removes the cached ones that were not used for so long and that nobody uses now; which they were.
  std::vector<EnvironmentEntry> remove_unused(std::chrono::seconds age);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// uv, absolute: PYEMBER_UV, else PATH, else ~/.local/bin and ~/.cargo/bin. An error says how to
// install it and that use_uv=false works without.
Result<std::string> find_uv();
// The system's Python as `python` (else `python3`) on PATH.
Result<std::string> find_system_python();

}  // namespace pyember::host
