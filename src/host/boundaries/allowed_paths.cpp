#include "host/boundaries/allowed_paths.h"

#include <fmt/format.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "base/limits.h"
#include "host/options.h"
#include "host/upstream/config/places.h"

namespace pyember::host {

namespace {

namespace fs = std::filesystem;

// Of its own in every sandbox; what lies in them can be shown.
constexpr std::array kOwn = {"/bin",     "/etc",     "/home", "/lib",    "/lib32", "/lib64",
                             "/libx32",  "/opt",     "/root", "/sbin",   "/tmp",   "/usr",
                             "/usr/bin", "/usr/lib", "/var",  "/var/tmp"};
// Neither they, nor anything in them or above.
constexpr std::array kMachines = {"/boot", "/dev",       "/packages",          "/proc",
                                  "/run",  "/sys",       "/var/run",           "/var/lib/docker",
                                  "/ipc",  "/workspace", "/var/lib/containers"};
// Below the home folder: who can read these can be its user elsewhere.
constexpr std::array kKeys = {".ssh",
                              ".gnupg",
                              ".aws",
                              ".azure",
                              ".kube",
                              ".docker",
                              ".netrc",
                              ".pgpass",
                              ".git-credentials",
                              ".npmrc",
                              ".pypirc",
                              ".password-store",
                              ".mozilla",
                              ".claude",
                              ".claude.json",
                              ".codex",
                              ".gemini",
                              ".cargo/credentials.toml",
                              ".config/gcloud",
                              ".config/gh",
                              ".config/google-chrome",
                              ".config/chromium",
                              ".local/share/keyrings"};

Error bad_path(const std::string& text, const std::string& why) {
  return {ErrorCode::InvalidArgument,
          fmt::format("'{}' can't be shown in sandboxes, because {}. Name a file or folder like "
                      "/srv/data, with :rw behind it if code may write there; of what must not be "
                      "shown, put a copy elsewhere.",
                      text, why)};
}

bool overlap(const std::string& path, const std::string& place) {
  return !place.empty() && (is_in(path, place) || is_in(place, path));
}

std::string normal(const std::string& path) {
  std::string found = fs::path(path).lexically_normal().string();
  while (found.size() > 1 && found.back() == '/') found.pop_back();
  return found;
}

// With links resolved as far as it exists.
std::string resolved(const std::string& path) {
  std::error_code failed;
  const std::string found = fs::weakly_canonical(path, failed).string();
  return failed ? path : normal(found);
}

// The home folders that `path` may have to do with: the server's user's, root's, and whosever it
// is.
std::vector<std::string> homes_around(const std::string& path, const ForbiddenPlaces& forbidden) {
  constexpr std::string_view kHomes = "/home/";
  std::vector<std::string> homes{"/root"};
  if (!forbidden.home.empty()) homes.push_back(resolved(forbidden.home));
  if (path.starts_with(kHomes)) homes.push_back(path.substr(0, path.find('/', kHomes.size())));
  return homes;
}

std::string problem_of_homes(const std::string& path, const ForbiddenPlaces& forbidden) {
  for (const std::string& home : homes_around(path, forbidden)) {
    if (is_in(home, path)) return fmt::format("the home folder {} would be in it", home);
    for (const char* each : kKeys) {
      if (overlap(path, home + "/" + each)) return fmt::format("{}/{} holds keys", home, each);
    }
  }
  return {};
}

// Empty when it may be shown.
std::string problem_of_place(const std::string& path, const ForbiddenPlaces& forbidden) {
  if (path == "/" || std::find(kOwn.begin(), kOwn.end(), path) != kOwn.end()) {
    return "every sandbox has one of its own";
  }
  for (const char* each : kMachines) {
    if (overlap(path, each)) return fmt::format("{} is the machine's, or the sandbox's own", each);
  }
  if (std::string problem = problem_of_homes(path, forbidden); !problem.empty()) return problem;
  if (!forbidden.own.empty() && is_in(path, resolved(forbidden.own))) return {};
  for (const std::string& each : forbidden.state) {
    if (overlap(path, resolved(each))) return fmt::format("the server keeps its own in {}", each);
  }
  return {};
}

std::string problem_of_writing(const std::string& path, const ForbiddenPlaces& forbidden) {
  for (const std::string& each : forbidden.programs) {
    if (overlap(path, resolved(each))) {
      return fmt::format("the server runs what is in {}, so it can be read and not written", each);
    }
  }
  return {};
}

Result<AllowedPath> parse(const std::string& text, const ForbiddenPlaces& forbidden) {
  const bool writable = text.ends_with(":rw");
  const bool has_mode = writable || text.ends_with(":ro");
  const std::string named = has_mode ? text.substr(0, text.size() - 3) : text;
  if (!named.starts_with('/')) return bad_path(text, "it does not begin with /");
  struct stat status {};
  if (stat(named.c_str(), &status) != 0) return bad_path(text, strerror(errno));
  if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) {
    return bad_path(text, "it is neither a file nor a folder");
  }
  const AllowedPath found{resolved(named), normal(named), writable};
  const std::string problem = problem_of_showing(found, forbidden);
  if (!problem.empty()) return bad_path(text, problem);
  return found;
}

// Empty: no path lies in one that code may write to.
std::string problem_of_nesting(const AllowedPath& path, const std::vector<AllowedPath>& all) {
  for (const AllowedPath& each : all) {
    if (each == path || !each.writable || !is_in(path.outside, each.outside)) continue;
    return fmt::format("it lies in {}, which is writable: code could put a link in its place",
                       each.inside);
  }
  return {};
}

std::string own_program() {
  std::error_code failed;
  return fs::read_symlink("/proc/self/exe", failed).parent_path().string();
}

}  // namespace

bool is_in(std::string_view path, std::string_view folder) {
  if (folder == "/") return true;
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

ForbiddenPlaces find_forbidden_places(const std::string& environment) {
  const char* home = getenv("HOME");
  ForbiddenPlaces found;
  found.home = home == nullptr ? "" : home;
  found.state = {find_jobs_directory(), find_environments_directory(),
                 find_session_folders_directory(), find_boundary_folders_directory(),
                 find_state_directory(),
                 // What says which programs the server starts, and what they may do.
                 find_configuration_directory(), found.home + "/MCPs",
                 fs::path(find_configuration_directory()).replace_filename("mcp").string()};
  found.programs = {find_runtime_directory(), find_bundled_directory(), own_program(),
                    fs::path(PYEMBER_PYTHON_EXECUTABLE).parent_path().parent_path().string()};
  if (!environment.empty()) found.programs.push_back(environment);
  return found;
}

std::string problem_of_showing(const AllowedPath& path, const ForbiddenPlaces& forbidden) {
  for (const std::string& each : {path.inside, path.outside}) {
    std::string problem = problem_of_place(each, forbidden);
    if (problem.empty() && path.writable) problem = problem_of_writing(each, forbidden);
    if (!problem.empty()) return problem;
  }
  return {};
}

Result<std::vector<AllowedPath>> parse_allowed_paths(const std::vector<std::string>& texts,
                                                     const ForbiddenPlaces& forbidden) {
  if (texts.size() > limits::kMaximumAllowedPaths) {
    return Error{ErrorCode::LimitReached,
                 fmt::format("Sandboxes can't be shown {} paths, because {} are the most. Name a "
                             "folder that holds what is needed.",
                             texts.size(), limits::kMaximumAllowedPaths)};
  }
  std::vector<AllowedPath> paths;
  for (const std::string& text : texts) {
    Result<AllowedPath> path = parse(text, forbidden);
    if (!path) return path.error();
    paths.push_back(path.take());
  }
  for (const AllowedPath& each : paths) {
    const std::string problem = problem_of_nesting(each, paths);
    if (!problem.empty()) return bad_path(each.inside, problem);
  }
  std::sort(paths.begin(), paths.end(), [](const AllowedPath& one, const AllowedPath& other) {
    return one.inside < other.inside;
  });
  return paths;
}

}  // namespace pyember::host
