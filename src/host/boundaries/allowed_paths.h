#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pyember::host {

// A file or folder of the machine's that code behind a boundary may read, or write as well.
struct AllowedPath {
  std::string outside;  // with links resolved
  std::string inside;   // as it was named
  bool writable = false;

  bool operator==(const AllowedPath&) const = default;
};

// Whether a path is that folder, or lies in it. Both absolute and without a slash at the end, but
// for the root; links are not looked at.
bool is_in(std::string_view path, std::string_view folder);

// What no list can name.
struct ForbiddenPlaces {
  std::string home;                // nor what keeps keys in it (.ssh, .aws, …), nor other homes
  std::vector<std::string> state;  // the server's own: jobs, sessions, environments
  // What the server runs from. It may be read; who could write there would be outside.
  std::vector<std::string> programs;
  std::string own = {};  // a folder in `state` that may be shown all the same; empty: none
};

// This server's. `environment` is the folder of the one its sessions have; may be empty.
ForbiddenPlaces find_forbidden_places(const std::string& environment);

// Why a path can't be shown, or not be written to; empty: it can.
std::string problem_of_showing(const AllowedPath& path, const ForbiddenPlaces& forbidden);

// "/data", "/data:ro" or "/data:rw": absolute, there already, a file or a folder.
//
// Some places are refused whatever is said: what a sandbox has of its own (/, /etc, /tmp, …), where
// sockets and devices of the machine are (/run, /dev, …), the home folder as a whole and the
// folders of keys in it, the server's state, and anything inside or above those. A sandbox is there
// for keeping just these; who needs one file of them puts a copy elsewhere. Nor may one path lie in
// another that is writable: code could put a link in its place, which the next sandbox would
// follow.
//
// Sorted, so that a folder comes before what lies in it. The error tells what is wrong with the
// first that can't be used, and what would be right.
Result<std::vector<AllowedPath>> parse_allowed_paths(const std::vector<std::string>& texts,
                                                     const ForbiddenPlaces& forbidden);

}  // namespace pyember::host
