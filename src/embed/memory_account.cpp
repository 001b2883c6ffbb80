#undef _FORTIFY_SOURCE  // the checked inline versions would redefine what is defined here
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "embed/memory_account.h"

#include <errno.h>
#include <linux/magic.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cstdarg>
#include <cstdint>
#include <map>
#include <mutex>

#include "embed/interpose.h"
#include "embed/session_slot.h"

namespace pyember::embed {
namespace {

constexpr std::size_t kSmallRequest = 64u << 10;
constexpr std::int64_t kStep = 64 << 10;           // what an `except MemoryError` needs
constexpr std::int64_t kCodeReserve = 1 << 20;     // all steps of one cell together
constexpr std::int64_t kRuntimeReserve = 8 << 20;  // importing traceback takes 2 MB

std::int64_t used_by(const SessionSlot& slot) noexcept {
  // Memory that came from a server's thread may be freed here: below zero is as good as zero.
  return std::max<std::int64_t>(slot.memory_used.load(std::memory_order_relaxed), 0);
}

void count(SessionSlot& slot, std::int64_t bytes) noexcept {
  slot.memory_used.fetch_add(bytes, std::memory_order_relaxed);
}

// Whether the session may have `bytes` more in one request of `size`. Two threads of it may pass
// at once and overshoot by one request; that is not worth a lock.
bool admits(SessionSlot& slot, std::size_t bytes, std::size_t size) noexcept {
  const std::int64_t budget = slot.memory_budget.load(std::memory_order_relaxed);
  if (budget == 0) return true;
  const auto& raised = size < kSmallRequest ? slot.memory_small_limit : slot.memory_large_limit;
  const std::int64_t limit = std::max(budget, raised.load(std::memory_order_relaxed));
  if (bytes <= static_cast<std::size_t>(INT64_MAX) &&
      static_cast<std::int64_t>(bytes) <= limit - used_by(slot)) {
    return true;
  }
  slot.memory_refusals.fetch_add(1, std::memory_order_relaxed);
  return false;
}

// A refusal by the raw allocator becomes a MemoryError: its handler gets a step of headroom. A
// refused mapping does not count: the allocator of small objects asks for an arena first, each
// time, and falls back to the raw one.
void* refused(SessionSlot& slot) noexcept {
  const std::int64_t budget = slot.memory_budget.load(std::memory_order_relaxed);
  const std::int64_t cap = std::max(slot.memory_small_cap.load(), budget + kCodeReserve);
  const std::int64_t wanted = std::min(std::max(budget, used_by(slot)) + kStep, cap);
  if (wanted > slot.memory_small_limit.load()) slot.memory_small_limit.store(wanted);
  return nullptr;
}

// --- CPython's raw allocator -----------------------------------------------------------------

PyMemAllocatorEx underlying;

void* counted(SessionSlot& slot, void* block) noexcept {
  if (block) count(slot, static_cast<std::int64_t>(malloc_usable_size(block)));
  return block;
}

void* raw_malloc(void*, std::size_t size) {
  SessionSlot* slot = current_slot;
  if (!slot) return underlying.malloc(underlying.ctx, size);
  if (!admits(*slot, size, size)) return refused(*slot);
  return counted(*slot, underlying.malloc(underlying.ctx, size));
}

void* raw_calloc(void*, std::size_t items, std::size_t each) {
  SessionSlot* slot = current_slot;
  if (!slot) return underlying.calloc(underlying.ctx, items, each);
  std::size_t size = 0;
  if (__builtin_mul_overflow(items, each, &size)) return nullptr;
  if (!admits(*slot, size, size)) return refused(*slot);
  return counted(*slot, underlying.calloc(underlying.ctx, items, each));
}

void* raw_realloc(void*, void* block, std::size_t size) {
  SessionSlot* slot = current_slot;
  if (!slot) return underlying.realloc(underlying.ctx, block, size);
  const std::size_t before = malloc_usable_size(block);
  if (size > before && !admits(*slot, size - before, size)) return refused(*slot);
  void* moved = underlying.realloc(underlying.ctx, block, size);
  if (moved) {
    count(*slot,
          static_cast<std::int64_t>(malloc_usable_size(moved)) - static_cast<std::int64_t>(before));
  }
  return moved;
}

void raw_free(void*, void* block) {
  SessionSlot* slot = current_slot;
  if (slot && block) count(*slot, -static_cast<std::int64_t>(malloc_usable_size(block)));
  underlying.free(underlying.ctx, block);
}

// --- mappings --------------------------------------------------------------------------------

// The counted mappings, by address. Its mutex is held for a lookup only, with and without a GIL;
// what it allocates comes from malloc, which maps memory through libc's own entry.
class Mappings {
 public:
  void add(void* address, std::size_t size, SessionSlot& slot) {
    std::lock_guard guard(mutex_);
    ranges_[begin_of(address)] = {begin_of(address) + size, &slot};
    count(slot, static_cast<std::int64_t>(size));
    any_.store(true, std::memory_order_relaxed);
  }

  // Takes [address, address + size) out of every range it overlaps. Returns the owner, if any.
  SessionSlot* remove(void* address, std::size_t size) {
    if (!any_.load(std::memory_order_relaxed)) return nullptr;
    std::lock_guard guard(mutex_);
    const std::uintptr_t begin = begin_of(address);
    const std::uintptr_t end = begin + size;
    SessionSlot* owner = nullptr;
    auto at = ranges_.upper_bound(begin);
    if (at != ranges_.begin()) --at;
    while (at != ranges_.end() && at->first < end) {
      const auto [first, range] = *at;
      if (range.end <= begin) {
        ++at;
        continue;
      }
      owner = range.slot;
      at = ranges_.erase(at);
      const std::uintptr_t cut_begin = std::max(first, begin);
      const std::uintptr_t cut_end = std::min(range.end, end);
      count(*range.slot, -static_cast<std::int64_t>(cut_end - cut_begin));
      if (first < cut_begin) ranges_[first] = {cut_begin, range.slot};
      if (cut_end < range.end) ranges_[cut_end] = range;
    }
    return owner;
  }

 private:
  struct Range {
    std::uintptr_t end;
    SessionSlot* slot;
  };

  static std::uintptr_t begin_of(void* address) {
    return reinterpret_cast<std::uintptr_t>(address);
  }

  std::mutex mutex_;
  std::map<std::uintptr_t, Range> ranges_;
  std::atomic<bool> any_{false};
};

[[maybe_unused]] Mappings& mappings() {
  static Mappings& instance = *new Mappings;  // threads of sessions outlive static objects
  return instance;
}

[[maybe_unused]] std::size_t whole_pages(std::size_t size) {
  constexpr std::size_t kPage = 4096;
  return size > SIZE_MAX - kPage ? size : (size + kPage - 1) & ~(kPage - 1);
}

// A file on a real file system is backed by it: its pages can go at any time. tmpfs and memfd are
// memory.
[[maybe_unused]] bool needs_memory(int protection, int flags, int fd) {
  if (protection == PROT_NONE) return false;  // address space only
  if ((flags & MAP_ANONYMOUS) || fd < 0) return true;
  const bool private_copy = (flags & MAP_TYPE) == MAP_PRIVATE && (protection & PROT_WRITE);
  if (private_copy) return true;
  struct statfs file_system {};
  if (fstatfs(fd, &file_system) != 0) return false;
  return file_system.f_type == TMPFS_MAGIC || file_system.f_type == RAMFS_MAGIC ||
         file_system.f_type == HUGETLBFS_MAGIC;
}

}  // namespace

void install_memory_account() {
  PyMem_GetAllocator(PYMEM_DOMAIN_RAW, &underlying);
  PyMemAllocatorEx account{nullptr, raw_malloc, raw_calloc, raw_realloc, raw_free};
  PyMem_SetAllocator(PYMEM_DOMAIN_RAW, &account);
}

void allow_memory_for_code(SessionSlot& slot) noexcept {
  const std::int64_t base = std::max(slot.memory_budget.load(), used_by(slot));
  slot.memory_small_limit.store(base + kStep, std::memory_order_relaxed);
  slot.memory_small_cap.store(base + kCodeReserve, std::memory_order_relaxed);
  slot.memory_large_limit.store(0, std::memory_order_relaxed);
}

void allow_memory_for_runtime(SessionSlot& slot) noexcept {
  const std::int64_t base = std::max(slot.memory_budget.load(), used_by(slot));
  slot.memory_small_limit.store(base + kRuntimeReserve, std::memory_order_relaxed);
  slot.memory_large_limit.store(base + kRuntimeReserve, std::memory_order_relaxed);
}

}  // namespace pyember::embed

// AddressSanitizer and ThreadSanitizer map their shadow memory and their allocator's through
// interceptors of the same names, before any constructor of ours has run and while dlsym() would
// allocate; so mappings are not counted in those builds.
#ifndef PYEMBER_SANITIZED

using namespace pyember::embed;

namespace {

template <typename Map>
void* map_counted(std::size_t size, int protection, int flags, int fd, Map map) {
  SessionSlot* slot = current_slot;
  if (!slot || !needs_memory(protection, flags, fd)) return map();
  const std::size_t bytes = whole_pages(size);
  if (!admits(*slot, bytes, bytes)) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  void* address = map();
  if (address == MAP_FAILED) return address;
  if (flags & MAP_FIXED) mappings().remove(address, bytes);
  mappings().add(address, bytes, *slot);
  return address;
}

}  // namespace

PYEMBER_INTERPOSE(void*, mmap, void* address, size_t size, int protection, int flags, int fd,
                  off_t offset) {
  return map_counted(size, protection, flags, fd,
                     [=] { return real_mmap(address, size, protection, flags, fd, offset); });
}

PYEMBER_INTERPOSE(void*, mmap64, void* address, size_t size, int protection, int flags, int fd,
                  off64_t offset) {
  return map_counted(size, protection, flags, fd,
                     [=] { return real_mmap64(address, size, protection, flags, fd, offset); });
}

PYEMBER_INTERPOSE(int, munmap, void* address, size_t size) {
  // Before, not after: by then another thread may have been given the same range.
  SessionSlot* owner = mappings().remove(address, whole_pages(size));
  const int result = real_munmap(address, size);
  if (result != 0 && owner) mappings().add(address, whole_pages(size), *owner);
  return result;
}

PYEMBER_INTERPOSE(void*, mremap, void* old, size_t old_size, size_t size, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  void* wanted = va_arg(rest, void*);
  va_end(rest);
  const std::size_t before = whole_pages(old_size);
  const std::size_t after = whole_pages(size);
  SessionSlot* slot = current_slot;
  if (slot && after > before && !admits(*slot, after - before, after)) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  SessionSlot* owner = mappings().remove(old, before);
  void* moved = real_mremap(old, old_size, size, flags, wanted);
  if (owner) {
    const bool failed = moved == MAP_FAILED;
    mappings().add(failed ? old : moved, failed ? before : after, *owner);
  }
  return moved;
}

#endif
