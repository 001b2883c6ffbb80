#include "host/workspace/principal_places.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>

#include "base/sha256.h"
#include "host/scripts/script_library.h"

namespace pyember::host {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kKeyDigits = 32;

Result<void> make_private_folder(const std::string& path) {
  std::error_code failed;
  fs::create_directories(path, failed);
  if (!failed) fs::permissions(path, fs::perms::owner_all, failed);
  if (!failed) return {};
  return Error{ErrorCode::Unavailable,
               fmt::format("The folder {} can't be made ({}), so there is no place for this "
                           "client's sessions. Make it writable, or set PYEMBER_STATE_DIR to a "
                           "folder that is.",
                           path, failed.message())};
}

}  // namespace

PrincipalPlaces local_places(const Options& options) {
  PrincipalPlaces places;
  places.state = find_state_directory();
  places.jobs = options.jobs_directory.empty() ? find_jobs_directory() : options.jobs_directory;
  places.session_folders = find_session_folders_directory();
  places.saved_tools = find_saved_tools_directory();
  places.project = find_project_root(options.project_root);
  return places;
}

std::string key_of_principal(std::string_view principal) {
  return sha256_hex(principal).substr(0, kKeyDigits);
}

Result<PrincipalPlaces> places_of_principal(std::string_view principal) {
  PrincipalPlaces places;
  places.principal = principal;
  places.key = key_of_principal(principal);
  places.state = fmt::format("{}/principals/{}", find_state_directory(), places.key);
  places.jobs = places.state + "/jobs";
  places.session_folders = places.state + "/sessions";
  places.saved_tools = places.state + "/user_tools";
  places.project = places.state + "/project";
  places.working_directory = places.project;
  for (const std::string& each :
       {find_state_directory() + "/principals", places.state, places.project}) {
    if (const Result<void> made = make_private_folder(each); !made) return made.error();
  }
  return places;
}

}  // namespace pyember::host
