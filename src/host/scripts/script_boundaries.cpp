#include "host/scripts/script_boundaries.h"

#include <fmt/format.h>

#include <utility>

#include "host/options.h"
#include "host/scripts/text_file.h"

namespace pyember::host {

const char* to_string(Boundary boundary) {
  switch (boundary) {
    case Boundary::None:
      return "none";
    case Boundary::Sandbox:
      return "sandbox";
    case Boundary::Container:
      return "container";
  }
  return "";
}

std::optional<Boundary> parse_boundary(std::string_view name) {
  for (const Boundary each : {Boundary::None, Boundary::Sandbox, Boundary::Container}) {
    if (name == to_string(each)) return each;
  }
  return std::nullopt;
}

ScriptBoundaries::ScriptBoundaries(std::function<BoundaryRooms&()> rooms,
                                   std::optional<Boundary> imposed, std::string own_directory,
                                   CallerPaths named)
    : rooms_(std::move(rooms)),
      imposed_(imposed),
      own_directory_(std::move(own_directory)),
      named_(std::move(named)) {}

// A container is no weaker than a sandbox, nor the other way round: either may be asked for.
Result<Boundary> ScriptBoundaries::choose(const std::optional<std::string>& asked) const {
  const Boundary by_default = imposed_.value_or(Boundary::None);
  if (!asked) return by_default;
  const std::optional<Boundary> boundary = parse_boundary(*asked);
  if (!boundary) {
    return Error{ErrorCode::InvalidArgument,
                 fmt::format("isolation='{}' is none that scripts have.\nUse 'none', 'sandbox' or "
                             "'container'.",
                             *asked)};
  }
  if (imposed_ && *boundary == Boundary::None) {
    return Error{
        ErrorCode::InvalidArgument,
        fmt::format("isolation='none' is not for this server's scripts, which {}.\nLeave "
                    "isolation out (it is '{}'); only who starts the server can allow "
                    "more ({}--sandbox-path, --sandbox-host).",
                    named_.any ? "was started with --sandbox-scripts" : "keeps its callers apart",
                    to_string(by_default), named_.any ? "" : "--trust-callers, ")};
  }
  return *boundary;
}

Result<ScriptPlaces> ScriptBoundaries::places(const NamedPlaces& named) const {
  PlacesTrust trust{imposed_.has_value(), working_directory(), rooms_().settings().allowed.paths,
                    find_forbidden_places("")};
  trust.writes_there = named_.any;
  if (!own_directory_.empty()) trust.server_directory = trust.forbidden.own = own_directory_;
  return places_of(named, trust);
}

Result<void> ScriptBoundaries::enclose(Boundary boundary, const Enclosed& enclosed,
                                       RunSpec& spec) const {
  if (boundary == Boundary::Container) return enclose_in_container(rooms_(), enclosed, spec);
  return enclose_in_sandbox(rooms_(), enclosed, spec);
}

}  // namespace pyember::host
