#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "host/boundaries/allowed_paths.h"

namespace pyember::host {

// Which paths of the machine a call may name: for the server to read or to write itself, and for
// code behind a boundary to see.
//
// Who started the server, or is trusted like him, may name any. Callers who are kept apart from
// each other name only what lies in a folder that is shown to all of them and that no code can
// write to: anywhere else the server would do for them what their own code can't, and where code
// can write it could put a link in the path's place once it was looked at.
struct CallerPaths {
  bool any = true;
  // The server's (--sandbox-path), and the folder of the caller's own scripts, which tools alone
  // write to.
  std::vector<AllowedPath> shown = {};

  // The error: a call may not name this path to be read, or shown. It says so of `argument`, and
  // with `instead` what may be given for it.
  Result<void> check_reading(std::string_view argument, const std::string& path,
                             std::string_view instead) const;
  // The same of what is to be written to.
  Result<void> check_writing(std::string_view argument, const std::string& path,
                             std::string_view instead) const;
};

}  // namespace pyember::host
