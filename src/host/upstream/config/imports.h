#pragma once

#include <map>
#include <string>

#include "base/result.h"
#include "host/upstream/config/places.h"

namespace pyember::host {

// The files of clients and projects that the user has allowed to be read, once for each. Kept in a
// file of the user's alone.
class ImportedFiles {
 public:
  // A list that is not there is empty; one that can't be read is an error, and nothing is imported.
  static Result<ImportedFiles> load(const std::string& path);
  Result<void> save() const;

  // A project's file counts only as long as `digest` (of what it says of servers) is the one that
  // was shown: who writes to the project doesn't decide what is started here.
  bool allows(const ConfigFile& file, const std::string& digest) const;
  // Whether its path is on the list, changed or not.
  bool has(const std::string& path) const;
  void add(const ConfigFile& file, const std::string& digest);
  bool remove(const std::string& path);  // false: it was not there

 private:
  std::string path_;
  std::map<std::string, std::string> files_;  // real path → digest; empty: whatever it says
};

}  // namespace pyember::host
