#include "host/export/export_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/file_io.h"
#include "base/unique_fd.h"

namespace pyember::host {

namespace {

Error not_written(const std::string& path, const std::string& why, const char* next) {
  return {ErrorCode::InvalidArgument,
          fmt::format("The file was not written at {}: {}. {}", path, why, next)};
}

Error exists(const std::string& path) {
  return not_written(path, "there is one already",
                     "Give another path, or overwrite=true to replace it.");
}

Error refused(const std::string& path, int reason) {
  return not_written(path, std::generic_category().message(reason),
                     "Give a path in a folder that exists and can be written to.");
}

// Beside the file that it becomes, under a name of its own.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& path) {
    static std::atomic<unsigned> number{0};
    path_ = fmt::format("{}.{}-{}", path, getpid(), ++number);
    fd_ = UniqueFd(open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  }
  ~TemporaryFile() {
    if (fd_ && !renamed_) unlink(path_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  // The errno of what went wrong; 0: nothing.
  int write(std::string_view bytes) {
    const bool written = fd_ && write_all(fd_.get(), bytes) && fdatasync(fd_.get()) == 0;
    return written ? 0 : errno;
  }

  int become(const std::string& path, bool replace) {
    const int done =
        replace ? rename(path_.c_str(), path.c_str()) : link(path_.c_str(), path.c_str());
    if (done != 0) return errno;
    renamed_ = replace;
    return 0;
  }

 private:
  std::string path_;
  UniqueFd fd_;
  bool renamed_ = false;
};

}  // namespace

std::string absolute_path(std::string_view path) {
  std::filesystem::path whole(path);
  if (const char* home = getenv("HOME"); home != nullptr && path.starts_with("~/")) {
    whole = std::filesystem::path(home) / path.substr(2);
  }
  std::error_code ignored;
  return std::filesystem::absolute(whole, ignored).lexically_normal().string();
}

Result<void> check_target(const std::string& path, bool overwrite) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) {
    const int reason = errno;
    const std::string folder = std::filesystem::path(path).parent_path().string();
    if (reason == ENOENT && access(folder.c_str(), W_OK) == 0) return {};
    return refused(path, reason);
  }
  if (!S_ISREG(status.st_mode)) {
    return not_written(path, "what is there is no regular file", "Give the path of a file.");
  }
  if (!overwrite) return exists(path);
  return {};
}

Result<void> write_file_at_once(const std::string& path, std::string_view bytes, bool overwrite) {
  TemporaryFile file(path);
  if (const int reason = file.write(bytes); reason != 0) return refused(path, reason);
  const int reason = file.become(path, overwrite);
  if (reason == EEXIST) return exists(path);
  if (reason != 0) return refused(path, reason);
  return {};
}

}  // namespace pyember::host
