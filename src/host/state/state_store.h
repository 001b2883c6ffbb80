#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

// Where states that are kept lie on the disk (docs/state.md):
//
//     ROOT/saved/NAME.state               what save_session wrote without a path
//     ROOT/checkpoints/DIRECTORY-N/…      what one server, in one working directory, wrote unasked
//
// All folders are this user's alone (0700), as are the files (0600).
namespace pyember::host {

// A state on the disk, by the name of its session.
struct StoredState {
  std::string session;
  std::string path;
  std::int64_t written_at = 0;  // seconds since 1970
  std::uint64_t bytes = 0;
};

// The states in one folder, newest first. Files of other names are none.
std::vector<StoredState> states_in(const std::string& folder);
std::string state_path(const std::string& folder, const std::string& session);

// Of what save_session writes without a path.
Result<std::string> make_saved_folder(const std::string& root);
std::string saved_folder(const std::string& root);

// The checkpoints that servers in this working directory have left, newest first; one for a name.
std::vector<StoredState> checkpoints_left(const std::string& root, const std::string& directory);

// The folder in which one server, and those that follow it, write their checkpoints. Held by a lock
// that ends with the last process that has it.
//
// It is taken before the first server is forked. A program that goes on as another one (upgrade)
// leaves word of it in its environment, and the next one takes it back.
class CheckpointSlot {
 public:
  enum class Contents { Fresh, Newest };  // Newest: what the last server here left, if it has ended

  // Clears away what other servers have left too long ago, or too much of.
  static Result<CheckpointSlot> take(const std::string& root, const std::string& directory,
                                     Contents contents);
  // Below another root (a principal's), for a server whose own slot is `own`: of the same name, so
  // that the server after it finds it by that. With Newest, what another server has left there is
  // taken when there is none of that name.
  static Result<CheckpointSlot> take_beside(const std::string& own, const std::string& root,
                                            const std::string& directory, Contents contents);

  const std::string& folder() const { return folder_; }
  // For the program that this one becomes.
  void leave_word() const;

 private:
  CheckpointSlot(std::string folder, UniqueFd lock)
      : folder_(std::move(folder)), lock_(std::move(lock)) {}
  static Result<CheckpointSlot> newest(const std::string& root, const std::string& directory);

  std::string folder_;
  UniqueFd lock_;
};

}  // namespace pyember::host
