#pragma once

#include <string>

#include "base/result.h"

namespace pyember::host {

// A folder of this user's alone for one room behind a boundary, with what the server gives to it.
// It is removed with this; what servers that were killed have left, by the next one that makes
// any. Any thread.
class BoundaryFolder {
 public:
  // Below `directory`, which is made if need be.
  static Result<BoundaryFolder> make(const std::string& directory);
  BoundaryFolder(BoundaryFolder&& other) noexcept;
  BoundaryFolder& operator=(BoundaryFolder&&) = delete;
  ~BoundaryFolder();

  const std::string& path() const { return path_; }
  // A folder in it that everybody may look into who gets that far.
  Result<std::string> add(const std::string& name) const;

 private:
  explicit BoundaryFolder(std::string path) : path_(std::move(path)) {}

  std::string path_;
};

// Removes all of this server's that are left below `directory`, when their rooms have ended.
void remove_boundary_folders(const std::string& directory);

// Makes all that is below `from` readable as `to`, which does not exist yet: by hard links, or as
// copies where the two are on different file systems. Symbolic links stay what they are.
Result<void> link_tree(const std::string& from, const std::string& to);

}  // namespace pyember::host
