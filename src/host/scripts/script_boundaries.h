#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "host/boundaries/boundary_rooms.h"
#include "host/boundaries/caller_paths.h"
#include "host/boundaries/enclosure.h"
#include "host/scripts/script_places.h"
#include "host/workers/worker_place.h"

namespace pyember::host {

// "none", "sandbox", "container"
const char* to_string(Boundary boundary);
std::optional<Boundary> parse_boundary(std::string_view name);

// The boundaries that scripts are run behind, when a call asks for one or this server's scripts all
// get one. Loop's thread only.
class ScriptBoundaries {
 public:
  // `rooms` is asked when the first script needs a boundary. `imposed`: all scripts get it, and no
  // call gets around it; they write to `own_directory` then, the server's working directory when
  // that is empty. `named`: what calls may name.
  ScriptBoundaries(std::function<BoundaryRooms&()> rooms, std::optional<Boundary> imposed,
                   std::string own_directory = {}, CallerPaths named = {});

  const CallerPaths& named() const { return named_; }

  // What a call gets that asks for `asked`, or for nothing.
  Result<Boundary> choose(const std::optional<std::string>& asked) const;
  // What a script there sees of what its call names.
  Result<ScriptPlaces> places(const NamedPlaces& named) const;
  Result<void> enclose(Boundary boundary, const Enclosed& enclosed, RunSpec& spec) const;

 private:
  const std::function<BoundaryRooms&()> rooms_;
  const std::optional<Boundary> imposed_;
  const std::string own_directory_;
  const CallerPaths named_;
};

}  // namespace pyember::host
