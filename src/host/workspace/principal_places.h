#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "host/options.h"

namespace pyember::host {

// Where what one principal has lies on the disk. Absolute paths.
struct PrincipalPlaces {
  std::string principal;        // empty: the local one
  std::string key;              // names it in the journal and on the disk; empty: the local one
  std::string state;            // saved states and checkpoints of sessions (state/state_store.h)
  std::string jobs;             // their store and their folders
  std::string session_folders;  // the folders of sessions, while they live
  std::string saved_tools;      // empty: none can be saved
  std::string project;          // scripts that are kept
  // Where its sessions begin; empty: in the server's working directory.
  std::string working_directory;
};

// Those of whoever started the server: the folders of every server over stdin and stdout.
PrincipalPlaces local_places(const Options& options);

// Those of another principal, a name as its token gives it: all below STATE/principals/KEY, which
// no other principal's tools name. The folder is made (this user's alone); the error: it can't be.
Result<PrincipalPlaces> places_of_principal(std::string_view principal);

// What tells a principal from the others where its name does not fit: 32 hexadecimal digits, of
// which the name can't be told.
std::string key_of_principal(std::string_view principal);

}  // namespace pyember::host
