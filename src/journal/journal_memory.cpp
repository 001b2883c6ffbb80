#include "journal/journal_memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <new>
#include <utility>

#include "journal/layout.h"

namespace pyember::journal {

namespace {

constexpr std::size_t kGivenBack = 256u << 10;  // above it a system call costs less than the pages

Error failed(const char* what) {
  return {ErrorCode::Unavailable,
          fmt::format("The memory that outlives the server could not be made ({}: {}). Start "
                      "pyember with --no-supervisor to do without.",
                      what, std::strerror(errno))};
}

void* map(int memory) {
  const int flags = memory >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  return mmap(nullptr, sizeof(Layout), PROT_READ | PROT_WRITE, flags, memory, 0);
}

}  // namespace

Result<JournalMemory> JournalMemory::make(Kind kind) {
  JournalMemory made;
  if (kind == Kind::Shared) {
    made.memory_ = memfd_create("pyember-journal", MFD_CLOEXEC);
    if (made.memory_ < 0) return failed("memfd_create");
    if (ftruncate(made.memory_, sizeof(Layout)) != 0) return failed("ftruncate");
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return failed("pipe2");
    made.staging_read_ = ends[0];
    made.staging_write_ = ends[1];
  }
  void* const where = map(made.memory_);
  if (where == MAP_FAILED) return failed("mmap");
  made.layout_ = new (where) Layout;  // leaves the zeros: every member is trivial
  made.layout_->magic = kMagic;
  return made;
}

Result<JournalMemory> JournalMemory::open(int memory, int staging_read, int staging_write) {
  JournalMemory opened;
  opened.memory_ = memory;
  opened.staging_read_ = staging_read;
  opened.staging_write_ = staging_write;
  struct stat status {};
  const bool fits =
      fstat(memory, &status) == 0 && static_cast<std::size_t>(status.st_size) == sizeof(Layout);
  void* const where = fits ? map(memory) : MAP_FAILED;
  if (where != MAP_FAILED) opened.layout_ = std::launder(static_cast<Layout*>(where));
  if (opened.layout_ == nullptr || opened.layout_->magic != kMagic) {
    return Error{ErrorCode::Unavailable,
                 "What the server before this one left in memory can't be read: it has another "
                 "layout. Calls it had not answered stay without an answer; call again."};
  }
  return opened;
}

JournalMemory::JournalMemory(JournalMemory&& other) noexcept
    : layout_(std::exchange(other.layout_, nullptr)),
      memory_(std::exchange(other.memory_, -1)),
      staging_read_(std::exchange(other.staging_read_, -1)),
      staging_write_(std::exchange(other.staging_write_, -1)) {}

JournalMemory::~JournalMemory() {
  if (layout_ != nullptr) munmap(layout_, sizeof(Layout));
  for (const int fd : {memory_, staging_read_, staging_write_}) {
    if (fd >= 0) close(fd);
  }
}

void clear(char* begin, std::size_t size) {
  if (size < kGivenBack) {
    std::memset(begin, 0, size);
    return;
  }
  // MADV_REMOVE gives back (and zeroes) pages of shared memory, MADV_DONTNEED those of private.
  auto* const first = begin + (kPage - reinterpret_cast<std::uintptr_t>(begin) % kPage) % kPage;
  const std::size_t whole = (size - static_cast<std::size_t>(first - begin)) / kPage * kPage;
  if (madvise(first, whole, MADV_REMOVE) != 0) {
    std::memset(first, 0, whole);
    madvise(first, whole, MADV_DONTNEED);
  }
  std::memset(begin, 0, static_cast<std::size_t>(first - begin));
  std::memset(first + whole, 0, static_cast<std::size_t>(begin + size - (first + whole)));
}

}  // namespace pyember::journal
