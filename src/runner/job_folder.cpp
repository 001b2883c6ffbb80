#include "runner/job_folder.h"

#include "base/file_io.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>

namespace pyember::runner {
namespace {

constexpr mode_t kPrivate = 0600;
constexpr const char* kExitDraft = "exit.new";
constexpr off_t kReservedBytes = 4096;  // one block; a record takes 600 bytes, and an error 1,000

}  // namespace

JobFolder::Opened JobFolder::open(const std::string& path) {
  directory_ = UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory_) return Opened::Missing;
  lock_ = UniqueFd(
      openat(directory_.get(), "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kPrivate));
  if (!lock_) return Opened::Unwritable;
  if (flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) return Opened::Locked;
  const UniqueFd draft = create(kExitDraft);
  if (!draft) return Opened::Unwritable;
  // Where a file system can't reserve, the record takes its chance like everything else.
  if (fallocate(draft.get(), 0, 0, kReservedBytes) != 0 && (errno == ENOSPC || errno == EDQUOT)) {
    return Opened::Unwritable;
  }
  return Opened::Yes;
}

int JobFolder::open_output(const char* name) const {
  // Not CLOEXEC: it becomes the child's 1 or 2.
  return openat(directory_.get(), name, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, kPrivate);
}

UniqueFd JobFolder::create(const char* name) const {
  return UniqueFd(openat(directory_.get(), name,
                         O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, kPrivate));
}

bool JobFolder::publish_runner(std::string_view json) const {
  { const UniqueFd empty = create("runner.new"); }
  return publish("runner.new", "runner", json);
}

bool JobFolder::publish_exit(std::string_view json) const {
  return publish(kExitDraft, "exit", json);
}

bool JobFolder::publish(const char* draft, const char* name, std::string_view text) const {
  const UniqueFd file(openat(directory_.get(), draft, O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  return file && write_all(file.get(), text) &&
         ftruncate(file.get(), static_cast<off_t>(text.size())) == 0 && replace(draft, name);
}

bool JobFolder::replace(const char* from, const char* to) const {
  return renameat(directory_.get(), from, directory_.get(), to) == 0;
}

void JobFolder::append_line_to_stderr(std::string_view line) const {
  const UniqueFd file(
      openat(directory_.get(), "stderr", O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return;
  char last = '\n';
  const off_t size = lseek(file.get(), 0, SEEK_END);
  if (size > 0 && pread(file.get(), &last, 1, size - 1) != 1) last = '\n';
  std::string text(last == '\n' ? "" : "\n");
  text += line;
  text += '\n';
  write_all(file.get(), text);  // on a full disk the record says it all the same
}

std::uint64_t JobFolder::size_of(const char* name) const {
  struct stat facts {};
  return fstatat(directory_.get(), name, &facts, AT_SYMLINK_NOFOLLOW) == 0
             ? static_cast<std::uint64_t>(facts.st_size)
             : 0;
}

}  // namespace pyember::runner
