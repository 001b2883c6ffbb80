#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "host/environments/environments.h"

namespace pyember::host {

// The folder with the environments: one sub-folder each, with a stamp `pyember.json` that says what
// it holds. The stamp's modification time is the last use. Folders are made under a hidden name and
// renamed into place, so that what is found under an id is complete, whoever made it.
//
// Has no state but the path: the functions marked (slow) walk whole environments and are called on
// a thread of libuv's pool.
class EnvironmentStore {
 public:
  explicit EnvironmentStore(std::string directory) : directory_(std::move(directory)) {}

  const std::string& directory() const { return directory_; }
  std::string root(const std::string& id) const { return directory_ + "/" + id; }

  // Ready, and of this key; notes its use.
  std::optional<ReadyEnvironment> find(const std::string& id, const EnvironmentKey& key) const;
  // There is one of that id, ready, whatever its key.
  bool exists(const std::string& id) const;

  // Makes the folder of all environments and names one to make an environment in.
  Result<std::string> new_workshop() const;
  // (slow) Completes what was made in `workshop`: looks what is installed, writes the stamp, moves
  // it into place. When another server was faster, its environment is the answer.
  Result<ReadyEnvironment> complete(const std::string& workshop, const std::string& id,
                                    const std::string& name, const EnvironmentKey& key) const;
  // (slow)
  static void discard(const std::string& folder);

  std::vector<EnvironmentEntry> list() const;
  // Moves it out of sight and returns where it is now, to be discarded.
  Result<std::string> take_away(const std::string& id_or_name) const;
  // (slow) Removes the least recently used until the rest fits; named ones and those in use stay.
  // Also what dead servers left half made.
  void prune(std::uint64_t maximum_bytes) const;

  // Interpreters that uv found for a version, remembered from one start to the next.
  std::optional<ReadyEnvironment> interpreter(const std::string& version) const;
  void remember_interpreter(const std::string& version, const ReadyEnvironment& found) const;

 private:
  std::string directory_;
};

// The dependencies trimmed, sorted, each once; or why they can't be given to uv.
Result<EnvironmentKey> normalised(EnvironmentKey key);
// Stable for a normalised key.
std::string id_of(const EnvironmentKey& key);
// "named-…", or why the name can't be used.
Result<std::string> id_of_name(const std::string& name);
// Without user names and passwords of URLs, for logs and messages.
std::string without_credentials(std::string text);

}  // namespace pyember::host
