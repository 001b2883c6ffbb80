#pragma once

#include <sys/stat.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/result.h"

namespace pyember::host {

// A file in a session's folder.
struct SessionFile {
  std::string path;  // relative, '/' between the parts, any bytes
  std::uint64_t bytes = 0;
};

// The folder a session shares with its clients: its code finds it in PYEMBER_SESSION_FOLDER, they
// by tools and resources. The code owns what is in it and is not trusted: everything is reached
// from the folder's own descriptor, part by part, and symbolic links are never followed. Walks are
// bounded (limits::kMaximumFolderEntries, kMaximumFolderDepth).
//
// Owned by the session; destroying it removes the folder with all that is in it. Loop's thread
// only: a look at a folder nobody has touched is one system call.
class SessionFolder {
 public:
  // Makes the folder, readable by this user alone; `path` is absolute and its parent exists.
  static Result<std::unique_ptr<SessionFolder>> make(std::string path);
  ~SessionFolder();
  SessionFolder(const SessionFolder&) = delete;
  SessionFolder& operator=(const SessionFolder&) = delete;

  // As the session's code names it.
  const std::string& path() const { return path_; }

  // From now on the folder is that directory, of a file system of the session's own that ends with
  // it: files that are there already are copied to it. `path` is what the code calls it. What could
  // not be copied is told; the folder is the other one all the same.
  Result<void> move_to(int directory, std::string path);

  // The files that are new or have changed since the last call, sorted by their paths.
  std::vector<SessionFile> changed();
  // All of them, sorted; has no influence on changed().
  std::vector<SessionFile> files() const;

  // Writes a file in one step, with the folders it lies in; replaces what is there. It doesn't
  // count as changed.
  Result<void> put(std::string_view path, std::string_view bytes);

  struct Page {
    std::string data;
    std::uint64_t size = 0;  // of the file
  };
  Result<Page> read(std::string_view path, std::uint64_t offset, std::size_t limit) const;

 private:
  struct Version {
    std::int64_t modified_ns = 0;
    std::uint64_t bytes = 0;
    std::uint64_t inode = 0;
    bool operator==(const Version&) const = default;
  };
  using Versions = std::map<std::string, Version>;

  SessionFolder(std::string path, int fd) : path_(path), made_(std::move(path)), fd_(fd) {}
  // One that is somebody else's to remove.
  struct Moved {};
  SessionFolder(std::string path, int fd, Moved) : path_(std::move(path)), fd_(fd), moved_(true) {}
  // The state of the folder. Code may have removed it, perhaps to make it anew: what is in its
  // place is the folder from then on, and it is made when there is none.
  struct stat look();
  void mark_untouched();
  Versions walk(bool& empty) const;

  std::string path_;
  const std::string made_;  // the folder that is removed at the end
  const int fd_;
  bool moved_ = false;
  Versions known_;     // files as they were at the last look
  bool empty_ = true;  // there was neither file nor folder then
};

// The folders of all sessions of this server: <directory>/<of this server>/<session>. The server's
// is made with the first session's and locked as long as the server lives, so that others can tell
// which are left over. Loop's thread only.
class SessionFolders {
 public:
  // Folders younger than `leftover_age` are never taken for left over: they may not be locked yet.
  explicit SessionFolders(std::string directory,
                          std::chrono::seconds leftover_age = limits::kLeftoverFolderAge)
      : directory_(std::move(directory)), leftover_age_(leftover_age) {}
  ~SessionFolders() { remove_own(); }
  SessionFolders(const SessionFolders&) = delete;
  SessionFolders& operator=(const SessionFolders&) = delete;

  Result<std::unique_ptr<SessionFolder>> make(const std::string& session);
  // Removes the folders of servers that are gone.
  void remove_leftovers() const;
  // Removes this server's, when its sessions are closed. The next session would make another.
  void remove_own();

 private:
  Result<void> make_own();

  const std::string directory_;
  const std::chrono::seconds leftover_age_;
  std::string own_;
  int lock_ = -1;
};

// The address of a file: session-file://{session}/{path}.
inline constexpr std::string_view kFileScheme = "session-file://";
std::string file_uri(const std::string& session, std::string_view path);

}  // namespace pyember::host
