#include "host/session/session_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/descriptor.h"
#include "base/file_io.h"
#include "base/limits.h"
#include "host/output/uri_parts.h"

// How a look is cheap: the folder's modification time is set to a fixed one long ago, so that any
// entry made or removed shows, whatever the clock's grain is. It is set before a walk, never after:
// what is written meanwhile shows at the next look. Once files are there each look is a walk,
// because writing to one leaves its folder's time alone.
namespace pyember::host {

namespace {

constexpr time_t kUntouched = 1;  // a second after the epoch
constexpr std::string_view kTemporary = ".pyember-put-";

int open_folder_at(int folder, const char* name) {
  return openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

// The parts of a relative path; nullopt when it could lead out of the folder, or is no path.
std::optional<std::vector<std::string>> parts_of(std::string_view path) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == ".." || part.size() > 255 ||
        part.find('\0') != std::string_view::npos || part.starts_with(kTemporary)) {
      return std::nullopt;
    }
    parts.emplace_back(part);
    if (parts.size() > limits::kMaximumFolderDepth) return std::nullopt;
    if (slash == std::string_view::npos) return parts;
    path.remove_prefix(slash + 1);
  }
}

Error bad_path(std::string_view path) {
  return {ErrorCode::InvalidArgument,
          fmt::format("'{}' is no path in a session's folder: it must be relative, without '..' or "
                      "empty parts, and {} parts deep at most. Give one like 'data/input.csv'.",
                      path.substr(0, 200), limits::kMaximumFolderDepth)};
}

Error not_put(std::string_view path, const char* step) {
  return {ErrorCode::Unavailable,
          fmt::format("'{}' was not written: {} failed ({}). Look at what is at that place in the "
                      "session's folder, or choose another path.",
                      path.substr(0, 200), step, strerror(errno))};
}

// Behind a boundary the session's code is another user than the server, or may be.
void share(int folder, int fd) {
  struct stat owner {
  }, status{};
  if (fstat(folder, &owner) != 0 || fstat(fd, &status) != 0) return;
  const bool other = owner.st_uid != geteuid();
  if (other && fchown(fd, owner.st_uid, owner.st_gid) == 0) return;
  fchmod(fd, S_ISDIR(status.st_mode) ? 0777 : 0666);
}

// The folder of the last part, opened part by part; `make` makes those that are missing,
// `shared` for everybody.
Descriptor open_parent(int root, const std::vector<std::string>& parts, bool make, bool shared) {
  Descriptor folder(fcntl(root, F_DUPFD_CLOEXEC, 3));
  for (std::size_t i = 0; i + 1 < parts.size() && folder.get() >= 0; ++i) {
    const bool made = make && mkdirat(folder.get(), parts[i].c_str(), 0700) == 0;
    folder = Descriptor(open_folder_at(folder.get(), parts[i].c_str()));
    if (made && shared && folder.get() >= 0) share(root, folder.get());
  }
  return folder;
}

bool is_untouched(const struct stat& status) {
  return status.st_mtim.tv_sec == kUntouched && status.st_mtim.tv_nsec == 0;
}

std::int64_t modified_ns(const struct stat& status) {
  return static_cast<std::int64_t>(status.st_mtim.tv_sec) * 1'000'000'000 + status.st_mtim.tv_nsec;
}

// Calls `found(path, status)` for each regular file; false: the bounds were reached.
template <typename Found>
bool each_file(int parent, const char* name, const std::string& prefix, std::size_t depth,
               std::size_t& left, const Found& found) {
  const int fd = open_folder_at(parent, name);
  DIR* folder = fd < 0 ? nullptr : fdopendir(fd);
  if (folder == nullptr) {
    if (fd >= 0) close(fd);
    return true;
  }
  bool whole = true;
  while (const dirent* entry = whole ? readdir(folder) : nullptr) {
    const std::string_view part = entry->d_name;
    if (part == "." || part == ".." || part.starts_with(kTemporary)) continue;
    if (left-- == 0) {
      left = 0;
      whole = false;
      break;
    }
    struct stat status {};
    if (fstatat(dirfd(folder), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISREG(status.st_mode)) {
      found(prefix + entry->d_name, status);
    } else if (S_ISDIR(status.st_mode) && depth < limits::kMaximumFolderDepth) {
      whole = each_file(dirfd(folder), entry->d_name, prefix + entry->d_name + "/", depth + 1, left,
                        found);
    }
  }
  closedir(folder);
  return whole;
}

void remove_tree(const std::string& path) {
  std::error_code ignored;  // what can't be removed now is left over, and tried again
  std::filesystem::remove_all(path, ignored);
}

}  // namespace

// --- one session's -----------------------------------------------------------------------------

Result<std::unique_ptr<SessionFolder>> SessionFolder::make(std::string path) {
  const bool made = mkdir(path.c_str(), 0700) == 0;
  const int fd = made ? open_folder_at(AT_FDCWD, path.c_str()) : -1;
  if (fd < 0) {
    return Error{ErrorCode::Unavailable,
                 fmt::format("The session's folder {} could not be made ({}). Make its parent "
                             "writable, or set XDG_CACHE_HOME to a folder that is.",
                             path, strerror(errno))};
  }
  std::unique_ptr<SessionFolder> folder(new SessionFolder(std::move(path), fd));
  folder->mark_untouched();
  return folder;
}

SessionFolder::~SessionFolder() {
  close(fd_);
  if (!made_.empty()) remove_tree(made_);
}

struct stat SessionFolder::look() {
  struct stat status {};
  if (fstat(fd_, &status) == 0 && status.st_nlink == 0 && !moved_) {
    mkdir(path_.c_str(), 0700);
    const Descriptor again(open_folder_at(AT_FDCWD, path_.c_str()));
    if (again.get() >= 0 && dup3(again.get(), fd_, O_CLOEXEC) >= 0) fstat(fd_, &status);
  }
  return status;
}

void SessionFolder::mark_untouched() {
  const struct timespec times[2] = {{0, UTIME_OMIT}, {kUntouched, 0}};
  futimens(fd_, times);
}

SessionFolder::Versions SessionFolder::walk(bool& empty) const {
  Versions versions;
  std::size_t left = limits::kMaximumFolderEntries;
  each_file(fd_, ".", "", 1, left, [&](std::string path, const struct stat& status) {
    versions.emplace(std::move(path),
                     Version{modified_ns(status), static_cast<std::uint64_t>(status.st_size),
                             static_cast<std::uint64_t>(status.st_ino)});
  });
  empty = left == limits::kMaximumFolderEntries;
  return versions;
}

std::vector<SessionFile> SessionFolder::changed() {
  std::vector<SessionFile> files;
  const struct stat status = look();
  if (empty_ && is_untouched(status)) return files;
  mark_untouched();
  Versions now = walk(empty_);
  for (const auto& [path, version] : now) {
    const auto before = known_.find(path);
    if (before == known_.end() || before->second != version) files.push_back({path, version.bytes});
  }
  known_ = std::move(now);
  return files;
}

std::vector<SessionFile> SessionFolder::files() const {
  std::vector<SessionFile> files;
  bool empty = true;
  for (const auto& [path, version] : walk(empty)) files.push_back({path, version.bytes});
  return files;
}

Result<void> SessionFolder::put(std::string_view path, std::string_view bytes) {
  const auto parts = parts_of(path);
  if (!parts) return bad_path(path);
  look();
  const Descriptor parent = open_parent(fd_, *parts, true, moved_);
  if (parent.get() < 0) return not_put(path, "making the folder it lies in");
  const std::string temporary = fmt::format("{}{}", kTemporary, getpid());
  unlinkat(parent.get(), temporary.c_str(), 0);
  const Descriptor file(openat(parent.get(), temporary.c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (file.get() < 0) return not_put(path, "opening it");
  const char* step = nullptr;
  struct stat status {};
  if (moved_) share(fd_, file.get());
  if (!write_all(file.get(), bytes)) {
    step = "writing it";
  } else if (fstat(file.get(), &status) != 0 ||
             renameat(parent.get(), temporary.c_str(), parent.get(), parts->back().c_str()) != 0) {
    step = "putting it in its place";
  }
  if (step != nullptr) {
    const Error error = not_put(path, step);
    unlinkat(parent.get(), temporary.c_str(), 0);
    return error;
  }
  known_.insert_or_assign(std::string(path),
                          Version{modified_ns(status), static_cast<std::uint64_t>(status.st_size),
                                  static_cast<std::uint64_t>(status.st_ino)});
  return {};
}

Result<void> SessionFolder::move_to(int directory, std::string path) {
  struct stat here {
  }, there{};
  if (fstat(fd_, &here) != 0 || fstat(directory, &there) != 0)
    return not_put(path, "looking at it");
  if (here.st_dev == there.st_dev && here.st_ino == there.st_ino) return {};
  SessionFolder target(std::move(path), fcntl(directory, F_DUPFD_CLOEXEC, 3), Moved{});
  Result<void> outcome;
  for (const SessionFile& file : files()) {
    Result<Page> page = read(file.path, 0, static_cast<std::size_t>(file.bytes));
    Result<void> put = page ? target.put(file.path, page.value().data) : Result<void>(page.error());
    if (!put && outcome) outcome = put.error();
  }
  if (dup3(target.fd_, fd_, O_CLOEXEC) < 0) return not_put(target.path_, "taking it over");
  path_ = target.path_;
  known_ = std::move(target.known_);
  empty_ = false;
  moved_ = true;
  return outcome;
}

Result<SessionFolder::Page> SessionFolder::read(std::string_view path, std::uint64_t offset,
                                                std::size_t limit) const {
  const auto parts = parts_of(path);
  if (!parts) return bad_path(path);
  const Descriptor parent = open_parent(fd_, *parts, false, moved_);
  // Not blocking: what is there may be a pipe.
  const Descriptor file(parent.get() < 0
                            ? -1
                            : openat(parent.get(), parts->back().c_str(),
                                     O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat status {};
  if (file.get() < 0 || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return Error{ErrorCode::NotFound,
                 fmt::format("There is no file '{}' in the session's folder. list_files names what "
                             "is there; links and other special files can't be read.",
                             path.substr(0, 200))};
  }
  Page page;
  page.size = static_cast<std::uint64_t>(status.st_size);
  if (offset >= page.size) return page;
  const std::uint64_t size = std::min<std::uint64_t>(limit, page.size - offset);
  page.data = read_at(file.get(), offset, static_cast<std::size_t>(size));
  return page;
}

// --- all sessions' -------------------------------------------------------------------------------

void SessionFolders::remove_own() {
  if (!own_.empty()) remove_tree(own_);
  if (lock_ >= 0) close(lock_);
  own_.clear();
  lock_ = -1;
}

Result<void> SessionFolders::make_own() {
  if (lock_ >= 0) return {};
  std::error_code failed;
  std::filesystem::create_directories(directory_, failed);
  std::string path = fmt::format("{}/{}-XXXXXX", directory_, getpid());
  if (mkdtemp(path.data()) == nullptr) {
    return Error{ErrorCode::Unavailable,
                 fmt::format("No folder for sessions' files could be made in {} ({}). Make it "
                             "writable, or set XDG_CACHE_HOME to a folder that is.",
                             directory_, strerror(errno))};
  }
  own_ = path;
  lock_ = open_folder_at(AT_FDCWD, path.c_str());
  if (lock_ >= 0) flock(lock_, LOCK_EX | LOCK_NB);
  return {};
}

Result<std::unique_ptr<SessionFolder>> SessionFolders::make(const std::string& session) {
  if (auto made = make_own(); !made) return made.error();
  // A name of its own: "." and ".." are names of sessions, too.
  const std::string path = own_ + (session.starts_with('.') ? "/_" : "/") + session;
  struct stat status {};
  for (int i = 2; i < 10; ++i) {  // one that could not be removed when its session was closed
    const std::string other = i == 2 ? path : fmt::format("{}~{}", path, i);
    if (lstat(other.c_str(), &status) != 0) return SessionFolder::make(other);
  }
  return SessionFolder::make(path);
}

void SessionFolders::remove_leftovers() const {
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, failed)) {
    const std::string path = entry.path().string();
    if (path == own_) continue;
    const Descriptor folder(open_folder_at(AT_FDCWD, path.c_str()));
    struct stat status {};
    if (folder.get() < 0 || fstat(folder.get(), &status) != 0) continue;
    const bool young = time(nullptr) - status.st_ctim.tv_sec < leftover_age_.count();
    if (!young && flock(folder.get(), LOCK_EX | LOCK_NB) == 0) remove_tree(path);
  }
}

std::string file_uri(const std::string& session, std::string_view path) {
  return std::string(kFileScheme) + session + "/" + percent_encoded_path(path);
}

}  // namespace pyember::host
