#include "host/output/spill_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace pyember::host {

SpillFile::~SpillFile() {
  if (fd_ >= 0) close(fd_);
}

bool SpillFile::open() {
  if (fd_ >= 0) return true;
  const char* folder = getenv("TMPDIR");
  if (folder == nullptr || *folder == '\0') folder = "/tmp";
#ifdef O_TMPFILE
  fd_ = ::open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
#endif
  if (fd_ < 0) {
    std::string name = std::string(folder) + "/pyember-output-XXXXXX";
    fd_ = mkostemp(name.data(), O_CLOEXEC);
    if (fd_ >= 0) unlink(name.c_str());
  }
  return fd_ >= 0;
}

bool SpillFile::append(std::string_view bytes, std::vector<Extent>& extents) {
  if (bytes.empty()) return true;
  if (!open()) return false;
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n =
        pwrite(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(end_ + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;  // what was written lies behind the end and is overwritten later
    done += static_cast<std::size_t>(n);
  }
  if (!extents.empty() && extents.back().offset + extents.back().size == end_) {
    extents.back().size += bytes.size();
  } else {
    extents.push_back({end_, bytes.size()});
  }
  end_ += bytes.size();
  held_ += bytes.size();
  return true;
}

bool SpillFile::read(const std::vector<Extent>& extents, std::uint64_t from, std::size_t size,
                     std::string& out) const {
  for (const Extent& extent : extents) {
    if (size == 0) return true;
    if (from >= extent.size) {
      from -= extent.size;
      continue;
    }
    const std::size_t part =
        static_cast<std::size_t>(std::min<std::uint64_t>(size, extent.size - from));
    const std::size_t before = out.size();
    out.resize(before + part);
    std::size_t done = 0;
    while (done < part) {
      const ssize_t n = pread(fd_, out.data() + before + done, part - done,
                              static_cast<off_t>(extent.offset + from + done));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) {
        out.resize(before + done);
        return false;
      }
      done += static_cast<std::size_t>(n);
    }
    size -= part;
    from = 0;
  }
  return size == 0;
}

void SpillFile::release(std::vector<Extent>& extents) {
  for (const Extent& extent : extents) {
    held_ -= extent.size;
#ifdef FALLOC_FL_PUNCH_HOLE
    fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(extent.offset),
              static_cast<off_t>(extent.size));
#endif
  }
  extents.clear();
  if (held_ == 0 && fd_ >= 0 && ftruncate(fd_, 0) == 0) end_ = 0;
}

}  // namespace pyember::host
