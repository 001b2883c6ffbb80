#include "host/scripts/text_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "base/descriptor.h"
#include "base/file_io.h"

namespace pyember::host {

namespace {

Error failed(const char* what, const std::string& path, int error) {
  const bool missing = error == ENOENT || error == ENOTDIR;
  return Error{missing ? ErrorCode::NotFound : ErrorCode::Unavailable,
               fmt::format("{} could not be {}: {}.\nCheck the path and its permissions.", path,
                           what, std::strerror(error))};
}

}  // namespace

Result<std::string> read_text_file(const std::string& path, std::size_t maximum_bytes) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (!file.valid() || fstat(file.get(), &status) != 0) return failed("read", path, errno);
  if (!S_ISREG(status.st_mode)) return failed("read", path, EISDIR);
  if (static_cast<std::uint64_t>(status.st_size) > maximum_bytes) {
    return Error{ErrorCode::LimitReached,
                 fmt::format("{} has {} bytes, and at most {} are read.\nUse a smaller file.", path,
                             status.st_size, maximum_bytes)};
  }
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    const ssize_t n = read(file.get(), text.data() + have, text.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed("read", path, errno);
    if (n == 0) break;
    have += static_cast<std::size_t>(n);
  }
  text.resize(have);
  return text;
}

Result<void> write_text_file(const std::string& path, std::string_view text, unsigned mode) {
  static std::atomic<unsigned> count{0};
  const std::string aside = fmt::format("{}.{}.{}.tmp", path, getpid(), ++count);
  {
    const Descriptor file(open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (!file.valid()) return failed("written", path, errno);
    if (!write_all(file.get(), text)) {
      const int error = errno;
      unlink(aside.c_str());
      return failed("written", path, error);
    }
  }
  if (rename(aside.c_str(), path.c_str()) != 0) {
    const int error = errno;
    unlink(aside.c_str());
    return failed("written", path, error);
  }
  return {};
}

Result<void> make_folder(const std::string& path) {
  if (is_directory(path)) return {};
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error && !is_directory(path)) return failed("made", path, error.value());
  return {};
}

bool is_regular_file(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

bool is_directory(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

std::string working_directory() {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::current_path(error);
  return error ? "/" : path.string();
}

std::string resolved_path(const std::string& path, const std::string& base) {
  std::filesystem::path result(path);
  if (path == "~" || path.starts_with("~/")) {
    const char* home = getenv("HOME");
    result = std::string(home != nullptr ? home : "/") + path.substr(1);
  }
  if (result.is_relative()) result = std::filesystem::path(base) / result;
  std::string text = result.lexically_normal().string();
  if (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

}  // namespace pyember::host
