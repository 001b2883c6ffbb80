#include "host/upstream/policy/audit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

#include "base/file_io.h"
#include "base/limits.h"
#include "base/unique_fd.h"

namespace pyember::host {

namespace {

std::string failure(const char* what) {
  return fmt::format("{}: {}", what, std::generic_category().message(errno));
}

bool make_folder_of(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (folder.empty() || access(folder.c_str(), F_OK) == 0) return true;
  std::error_code failed;
  std::filesystem::create_directories(folder.parent_path(), failed);
  return mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST;
}

UniqueFd open_file(const std::string& path) {
  UniqueFd file(
      open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600));
  struct stat status {};
  if (file && fstat(file.get(), &status) == 0 && (status.st_mode & 0077) != 0) {
    (void)fchmod(file.get(), 0600);
  }
  return file;
}

// Others hold it for as long as one write takes. One that is stopped in there holds nobody up: the
// lines are appended all the same.
void lock(const UniqueFd& file) {
  for (int attempt = 0; attempt < 20; ++attempt) {
    if (flock(file.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

// Whether it is still the file of that name, which another process may have renamed meanwhile.
bool is_current(const UniqueFd& file, const std::string& path) {
  struct stat opened {};
  struct stat named {};
  return fstat(file.get(), &opened) == 0 && lstat(path.c_str(), &named) == 0 &&
         opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

std::size_t size_of(const UniqueFd& file) {
  struct stat status {};
  return fstat(file.get(), &status) == 0 ? static_cast<std::size_t>(status.st_size) : 0;
}

}  // namespace

AuditFile::AuditFile(std::string path, std::size_t file_bytes, std::size_t files)
    : path_(std::move(path)), file_bytes_(file_bytes), files_(files) {}

std::size_t AuditFile::add(const std::string& line) {
  const std::lock_guard guard(waiting_lock_);
  if (waiting_.size() + line.size() > limits::kAuditWaitingBytes) {
    ++dropped_;
    return waiting_.size();
  }
  if (dropped_ > 0) waiting_ += fmt::format("{{\"dropped\":{}}}\n", std::exchange(dropped_, 0));
  waiting_ += line;
  waiting_ += '\n';
  return waiting_.size();
}

bool AuditFile::waits() {
  const std::lock_guard guard(waiting_lock_);
  return !waiting_.empty();
}

std::string AuditFile::take() {
  const std::lock_guard guard(waiting_lock_);
  return std::exchange(waiting_, {});
}

std::string AuditFile::write() {
  const std::lock_guard guard(writing_);
  const std::string lines = take();
  return lines.empty() ? std::string() : append(lines);
}

std::string AuditFile::append(const std::string& lines) {
  if (!make_folder_of(path_)) return failure("making its folder");
  constexpr int kAttempts = 8;  // each is another process that was faster
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const UniqueFd file = open_file(path_);
    if (!file) return failure("opening it");
    lock(file);
    if (!is_current(file, path_)) continue;
    const std::size_t size = size_of(file);
    if (size > 0 && size + lines.size() > file_bytes_) {
      rotate();
      continue;
    }
    return write_all(file.get(), lines) ? std::string() : failure("writing to it");
  }
  return "it was renamed again and again";
}

void AuditFile::rotate() const {
  const auto numbered = [this](std::size_t number) { return fmt::format("{}.{}", path_, number); };
  if (files_ <= 1) {
    unlink(path_.c_str());
    return;
  }
  for (std::size_t number = files_ - 1; number > 1; --number) {
    rename(numbered(number - 1).c_str(), numbered(number).c_str());
  }
  rename(path_.c_str(), numbered(1).c_str());
}

}  // namespace pyember::host
