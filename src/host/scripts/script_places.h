#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "host/boundaries/allowed_paths.h"

namespace pyember::host {

// What a call names of the machine for a script that runs behind a boundary. Absolute paths.
struct NamedPlaces {
  std::optional<std::string> directory;  // to run in, and to write to …
  bool keeps_directory = false;          // … unless this is set: saved scripts are not to change
  std::optional<std::string> script_path;  // none: inline code
  std::optional<std::string> env_file;     // read by the server
};

// Who may say what is shown. A caller who could as well run the script without a boundary is
// trusted with the folders he names. One who can't (--sandbox-scripts) may have them read, for that
// is what the tools are for, and written to only where whoever started the server said so: below
// its working directory, and in its paths that are writable.
struct PlacesTrust {
  bool imposed = false;
  std::string server_directory;
  std::vector<AllowedPath> allowed;
  ForbiddenPlaces forbidden;  // which nobody gets around
  bool writes_there = true;   // to the server's directory; unset: it is only read (CallerPaths)
};

// What is shown of it.
struct ScriptPlaces {
  std::vector<AllowedPath> shown;
  std::string working_directory;   // of the script
  std::vector<std::string> notes;  // what a caller may wonder about
};

// Where a script behind a boundary is when nothing is said; and where inline code lies.
inline constexpr const char* kScriptFolder = "/workspace";

Result<ScriptPlaces> places_of(const NamedPlaces& named, const PlacesTrust& trust);

}  // namespace pyember::host
