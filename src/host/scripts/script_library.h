#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "mcp/json.h"

namespace pyember::host {

// A script as it lies on disk.
struct StoredScript {
  std::string name;  // with .py
  std::string path;
  bool autosaved = false;
  std::string created_at;  // of an autosaved one, from its sidecar
  std::string tool;
};

// The folders scripts/ (curated by people) and autosaved_scripts/ (every inline script, with a
// .json sidecar of its parameters) below the project's root: CONTRACTS A7. Secret values never
// reach a sidecar. Loop's thread only; files are small, so reads and writes block.
class ScriptLibrary {
 public:
  struct Settings {
    std::string root;  // --project-root, PYTHON_MCP_HOME, the working directory, or the data folder
    std::size_t maximum_autosaved = 0;  // oldest go first
    std::uint64_t maximum_autosaved_bytes = 0;
  };

  explicit ScriptLibrary(Settings settings);

  std::string scripts_directory() const;
  std::string autosave_directory() const;

  struct Saved {
    std::string path;
    std::string name;
  };
  // Writes an inline script and its sidecar; the same content again gets the same file (and a
  // refreshed sidecar). `parameters` is redacted here: env values, and what looks like a secret.
  Result<Saved> autosave(const std::string& tool, const std::string& content,
                         const mcp::Json& parameters);
  // Adds to a sidecar what was not known at first: job id, outcome.
  void annotate(const Saved& saved, const mcp::Json& members);
  // Sidecars wait until somebody has time for them, because a run should not wait for its own
  // description. What looks at sidecars does this first.
  void write_sidecars() const;
  // One of them; true when more wait.
  bool write_one_sidecar() const;
  // An autosaved script and its sidecar; false: there was none of that name.
  bool remove_autosaved(const std::string& name);

  std::vector<StoredScript> list(bool include_autosaved) const;
  Result<StoredScript> find(const std::string& name, bool autosaved) const;
  Result<std::string> read(const StoredScript& script) const;
  mcp::Json metadata(const StoredScript& script) const;  // the sidecar; null: none

  struct Written {
    bool written = false;
    std::string path;
    std::string message;
  };
  // Into scripts/: basename only, .py added; an existing file stays unless `overwrite`.
  Result<Written> save(const std::string& name, const std::string& source, bool overwrite);

 private:
  struct Kept {
    std::uint64_t bytes = 0;
    double used_at = 0;
  };

  void look_at_autosaved();
  std::string known_copy(const std::string& ending, const std::string& content) const;
  void keep_within_limits();

  Settings settings_;
  mutable std::map<std::string, mcp::Json> waiting_;  // sidecars to be written, by their path
  bool looked_ = false;
  std::map<std::string, Kept> autosaved_;  // by name, once looked_
};

// Where scripts/ and autosaved_scripts/ belong: what was named, else PYTHON_MCP_HOME, else the
// working directory if it can be written to, else the user's data folder.
std::string find_project_root(const std::string& named);

}  // namespace pyember::host
