#include "embed/interpose.h"

#include <array>
#include <cstring>

#include "base/check.h"

namespace pyember::embed::interpose {
namespace {

using Lookup = void*(void*, const char*);

struct Interposed {
  const char* name = nullptr;
  void* function = nullptr;
};

constexpr std::size_t kMaximumInterposed = 256;  // interpose.list has about 130

// Filled by constructors, before the first thread; only read afterwards.
constinit std::array<Interposed, kMaximumInterposed> table{};
constinit std::size_t table_size = 0;

// Set by a constructor of the executable: the process that loads it is the server.
std::atomic<pid_t> recorded_pid{0};

[[gnu::constructor]] void record_pid() { recorded_pid = getpid(); }

// dlsym() is interposed itself, so libc's is asked for by version: that of libc.so since 2.34, or
// the first one of the machine (x86-64, AArch64).
Lookup* libc_dlsym() noexcept {
  static std::atomic<Lookup*> cached{nullptr};
  if (Lookup* known = cached.load(std::memory_order_relaxed)) return known;
  for (const char* version : {"GLIBC_2.34", "GLIBC_2.2.5", "GLIBC_2.17"}) {
    if (void* found = dlvsym(RTLD_NEXT, "dlsym", version)) {
      cached.store(reinterpret_cast<Lookup*>(found), std::memory_order_relaxed);
      return reinterpret_cast<Lookup*>(found);
    }
  }
  CHECK(!"libc has no dlsym");
  return nullptr;
}

void* interposed_function(const char* name) noexcept {
  for (std::size_t i = 0; i < table_size; i++) {
    if (std::strcmp(table[i].name, name) == 0) return table[i].function;
  }
  return nullptr;
}

}  // namespace

void* next_definition(const char* name) noexcept { return libc_dlsym()(RTLD_NEXT, name); }

void note_interposed(const char* name, void* function) noexcept {
  CHECK(table_size < kMaximumInterposed);
  table[table_size++] = {name, function};
}

pid_t server_pid() noexcept {
  const pid_t recorded = recorded_pid.load(std::memory_order_relaxed);
  return recorded != 0 ? recorded : getpid();
}

// getpid() is a system call since glibc 2.25 (its release notes): right in a vfork'ed child too.
bool in_server_process() noexcept { return getpid() == server_pid(); }

void park_if_condemned(const SessionSlot& slot) noexcept {
  if (is_condemned(slot) && in_server_process()) park_current_thread(ParkReason::Stopped);
}

}  // namespace pyember::embed::interpose

// ctypes.CDLL("libc.so.6")._exit looks into libc's own table; on a session's thread it finds ours
// there all the same. RTLD_NEXT depends on who calls: there this must stay a tail call, which the
// optimiser makes of it.
extern "C" [[gnu::visibility("default"), gnu::used]] void* interposed_dlsym(void*, const char*) asm(
    PYEMBER_LIBC_NAME(dlsym));
extern "C" void* interposed_dlsym(void* library, const char* name) {
  using namespace pyember::embed;
  if (current_slot && name) {
    if (void* ours = interpose::interposed_function(name)) return ours;
  }
  return interpose::libc_dlsym()(library, name);
}
