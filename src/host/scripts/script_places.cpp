#include "host/scripts/script_places.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string_view>

namespace pyember::host {

namespace {

namespace fs = std::filesystem;

std::string normal(const std::string& path) {
  std::string found = fs::path(path).lexically_normal().string();
  while (found.size() > 1 && found.back() == '/') found.pop_back();
  return found;
}

AllowedPath path_named(const std::string& path, bool writable) {
  std::error_code failed;
  const std::string real = fs::weakly_canonical(path, failed).string();
  return {failed ? normal(path) : normal(real), normal(path), writable};
}

Error not_shown(const char* what, const std::string& path, const std::string& why,
                const PlacesTrust& trust) {
  return {ErrorCode::InvalidArgument,
          fmt::format("the {} {} can't be shown to a script behind a boundary, because {}.\nName "
                      "another one, or a copy of it{}.",
                      what, path, why,
                      trust.imposed ? "" : "; for code you trust leave isolation out")};
}

// Empty: the script may write there.
std::string why_read_only(const AllowedPath& directory, const PlacesTrust& trust) {
  std::string problem = problem_of_showing(directory, trust.forbidden);
  if (!problem.empty() || !trust.imposed) return problem;
  for (const AllowedPath& each : trust.allowed) {
    if (each.writable && is_in(directory.outside, each.outside)) return {};
  }
  const AllowedPath own = path_named(trust.server_directory, true);
  const bool is_own = trust.writes_there && is_in(directory.outside, own.outside) &&
                      problem_of_showing(own, trust.forbidden).empty();
  if (is_own) return {};
  if (!trust.writes_there) return "this server's scripts write only where --sandbox-path says so";
  return "this server's scripts write only where it was started and where --sandbox-path says so";
}

Result<void> add_directory(const NamedPlaces& named, const PlacesTrust& trust,
                           ScriptPlaces& places) {
  AllowedPath directory = path_named(*named.directory, false);
  const std::string problem = problem_of_showing(directory, trust.forbidden);
  if (!problem.empty()) return not_shown("directory", directory.inside, problem, trust);
  directory.writable = true;
  const std::string read_only =
      named.keeps_directory ? "saved scripts are not to change" : why_read_only(directory, trust);
  directory.writable = read_only.empty();
  if (!directory.writable) {
    places.notes.push_back(
        fmt::format("{} can be read and not written to, because {}; {} and /tmp are writable and "
                    "gone afterwards",
                    directory.inside, read_only, kScriptFolder));
  }
  places.working_directory = directory.inside;
  places.shown.push_back(std::move(directory));
  return {};
}

// A script finds what lies beside it, unless its folder is one that is not to be shown.
Result<void> add_script(const std::string& path, const PlacesTrust& trust, ScriptPlaces& places) {
  const AllowedPath script = path_named(path, false);
  const bool is_there =
      std::any_of(places.shown.begin(), places.shown.end(), [&](const AllowedPath& each) {
        return is_in(script.inside, each.inside) && is_in(script.outside, each.outside);
      });
  if (is_there) return {};
  const std::string problem = problem_of_showing(script, trust.forbidden);
  if (!problem.empty()) return not_shown("script", script.inside, problem, trust);
  const AllowedPath folder = path_named(fs::path(script.inside).parent_path().string(), false);
  const bool by_folder =
      problem_of_showing(folder, trust.forbidden).empty() && is_in(script.outside, folder.outside);
  if (!by_folder) {
    places.notes.push_back(fmt::format("of {} the script alone is shown", folder.inside));
  }
  places.shown.push_back(by_folder ? folder : script);
  return {};
}

}  // namespace

Result<ScriptPlaces> places_of(const NamedPlaces& named, const PlacesTrust& trust) {
  ScriptPlaces places;
  places.working_directory = kScriptFolder;
  if (named.directory) {
    if (auto added = add_directory(named, trust, places); !added) return added.error();
  }
  if (named.script_path) {
    if (auto added = add_script(*named.script_path, trust, places); !added) return added.error();
  }
  if (named.env_file) {
    const AllowedPath file = path_named(*named.env_file, false);
    const std::string problem = problem_of_showing(file, trust.forbidden);
    if (!problem.empty()) return not_shown("env_file", file.inside, problem, trust);
  }
  return places;
}

}  // namespace pyember::host
