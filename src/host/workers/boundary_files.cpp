#include "host/workers/boundary_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/descriptor.h"
#include "base/file_io.h"

namespace pyember::host {

namespace {

// What a folder's file system may hold is below this; a sparse file may say that it is longer.
constexpr std::int64_t kMostBytes = 1ll << 30;

Error not_copied(const std::string& what, const char* step) {
  return {ErrorCode::Unavailable,
          fmt::format("{} did not get through the session's boundary: {} failed ({}). See that its "
                      "folder {} has room, and try again.",
                      what, step, strerror(errno), kBoundedFolder)};
}

bool copy_all(int from, int to) {
  struct stat status {};
  if (fstat(from, &status) != 0) return false;
  if (!S_ISREG(status.st_mode) || status.st_size > kMostBytes) {
    errno = EINVAL;
    return false;
  }
  for (std::int64_t left = status.st_size; left > 0;) {
    const ssize_t n = sendfile(to, from, nullptr, static_cast<std::size_t>(left));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n == 0;  // it became shorter: whoever reads it will see
    left -= n;
  }
  return true;
}

// The header of a state's file is 112 bytes long, with the length of the first text at byte 32; the
// text is behind it.
bool tells(int state, std::string_view about) {
  constexpr std::uint64_t kHeaderBytes = 112;
  std::uint64_t length = 0;
  if (pread(state, &length, sizeof length, 32) == sizeof length && length == about.size() &&
      read_at(state, kHeaderBytes, about.size()) == about) {
    return true;
  }
  errno = EBADMSG;
  return false;
}

}  // namespace

Result<void> copy_in(const std::string& from, int folder, const char* name) {
  const Descriptor source(open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (source.get() < 0) return not_copied(from, "opening it");
  unlinkat(folder, name, 0);
  const Descriptor target(
      openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (target.get() < 0) return not_copied(from, "making a file in there");
  // Our umask may forbid it, and a server that is root is somebody else than the code in there.
  fchmod(target.get(), 0644);
  if (!copy_all(source.get(), target.get())) return not_copied(from, "copying");
  return {};
}

Result<void> copy_state_out(int folder, const char* name, const std::string& to,
                            std::string_view about) {
  const Descriptor source(
      openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (source.get() < 0) return not_copied(to, "finding it");
  const std::string part = fmt::format("{}.{}.part", to, getpid());
  Descriptor target(open(part.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (target.get() < 0) {
    return Error{ErrorCode::Unavailable,
                 fmt::format("The session's state can't be written to {} ({}). Name another place, "
                             "or make its folder writable.",
                             to, strerror(errno))};
  }
  const bool copied = copy_all(source.get(), target.get()) && tells(target.get(), about) &&
                      rename(part.c_str(), to.c_str()) == 0;
  if (!copied) {
    const Error error = not_copied(to, "copying");
    unlink(part.c_str());
    return error;
  }
  unlinkat(folder, name, 0);
  return {};
}

}  // namespace pyember::host
