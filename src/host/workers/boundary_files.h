#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace pyember::host {

// A session's folder behind a boundary, as code inside names it.
inline constexpr const char* kBoundedFolder = "/workspace";

// Files through a boundary: `folder` is a directory's descriptor that came from inside, and what is
// in it is whatever the code there put there. Links are not followed, other things than files not
// opened. Both copy at once, as much as the folder's file system holds at most (some 100 MB).
//
// Into the folder, readable for the code there; replaces what has that name.
Result<void> copy_in(const std::string& from, int folder, const char* name);
// Out of it, to `to`, in one step, and removes it there. It is a session's state, of which the code
// in there wrote every byte: one that does not tell `about` of itself (snapshot_file.py; the server
// reads it, and opens the state in a room by what it says) is refused.
Result<void> copy_state_out(int folder, const char* name, const std::string& to,
                            std::string_view about);

}  // namespace pyember::host
