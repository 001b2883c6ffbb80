#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace pyember::host {

// Where a caller wants a file: absolute, with the home folder for "~/", relative paths from the
// server's working directory.
std::string absolute_path(std::string_view path);

// Why no file can be written there; checked again when it is written.
Result<void> check_target(const std::string& path, bool overwrite);

// Writes a file in one step: it is there whole, or not at all. Without `overwrite` a file that has
// come there meanwhile is kept, and that is the error. Any thread.
Result<void> write_file_at_once(const std::string& path, std::string_view bytes, bool overwrite);

}  // namespace pyember::host
