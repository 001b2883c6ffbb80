#include "host/boundaries/boundary_folder.h"

#include <fmt/format.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "host/runs/process_identity.h"

namespace pyember::host {

namespace {

namespace fs = std::filesystem;

Error no_folder(const std::string& directory, const char* why) {
  return {ErrorCode::Unavailable,
          fmt::format("The session was not opened: no folder for its sandbox or container could be "
                      "made in {} ({}). Make it writable, or set XDG_CACHE_HOME to a folder that "
                      "is.",
                      directory, why)};
}

// Their names begin with the process and its start: "1234-5678-XXXXXX".
std::string prefix_of(const ProcessIdentity& server) {
  return fmt::format("{}-{}-", server.pid, server.start_ticks);
}

// Code may have shut folders that are its user's, who is ours behind a fence.
void open_up(const fs::path& path) {
  std::vector<fs::path> waiting{path};
  for (std::size_t seen = 0; !waiting.empty() && seen < limits::kSandboxFolderInodes; ++seen) {
    const fs::path folder = std::move(waiting.back());
    waiting.pop_back();
    std::error_code ignored;  // what can't be opened stays
    fs::permissions(folder, fs::perms::owner_all,
                    fs::perm_options::add | fs::perm_options::nofollow, ignored);
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
      if (fs::is_directory(entry.symlink_status(ignored))) waiting.push_back(entry.path());
    }
  }
}

// What can't be removed now is tried again by the next server.
void remove_whole(const fs::path& path) {
  std::error_code failed;
  fs::remove_all(path, failed);
  if (!failed) return;
  open_up(path);
  fs::remove_all(path, failed);
}

template <typename Wanted>
void remove_those(const std::string& directory, const Wanted& wanted) {
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(directory, failed)) {
    if (!wanted(entry.path().filename().string())) continue;
    remove_whole(entry.path());
  }
}

bool is_left_over(const std::string& name) {
  const pid_t pid = std::atoi(name.c_str());
  return pid > 0 && !name.starts_with(prefix_of(identity_of(pid)));
}

}  // namespace

Result<BoundaryFolder> BoundaryFolder::make(const std::string& directory) {
  std::error_code failed;
  fs::create_directories(directory, failed);
  std::string path = fmt::format("{}/{}XXXXXX", directory, prefix_of(own_identity()));
  if (mkdtemp(path.data()) == nullptr) return no_folder(directory, strerror(errno));
  static std::once_flag looked;
  std::call_once(looked, [&directory] { remove_those(directory, is_left_over); });
  return BoundaryFolder(std::move(path));
}

BoundaryFolder::BoundaryFolder(BoundaryFolder&& other) noexcept
    : path_(std::exchange(other.path_, {})) {}

BoundaryFolder::~BoundaryFolder() {
  if (!path_.empty()) remove_whole(path_);
}

Result<std::string> BoundaryFolder::add(const std::string& name) const {
  std::string folder = path_ + "/" + name;
  if (mkdir(folder.c_str(), 0755) != 0 || chmod(folder.c_str(), 0755) != 0) {
    return no_folder(path_, strerror(errno));
  }
  return folder;
}

void remove_boundary_folders(const std::string& directory) {
  const std::string own = prefix_of(own_identity());
  remove_those(directory, [&own](const std::string& name) { return name.starts_with(own); });
}

Result<void> link_tree(const std::string& from, const std::string& to) {
  constexpr auto kAll = fs::copy_options::recursive | fs::copy_options::copy_symlinks;
  std::error_code failed;
  fs::copy(from, to, kAll | fs::copy_options::create_hard_links, failed);
  if (failed) {
    std::error_code ignored;
    fs::remove_all(to, ignored);
    failed.clear();
    fs::copy(from, to, kAll, failed);
  }
  if (!failed) return {};
  return Error{ErrorCode::Unavailable,
               fmt::format("The packages did not get to the session: copying them to {} failed "
                           "({}). Make room there, then send the cell again.",
                           to, failed.message())};
}

}  // namespace pyember::host
