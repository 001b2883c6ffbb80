#include "host/workers/shared_memory.h"

#include <endian.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <string_view>

#include "base/limits.h"
#include "base/utf8.h"

namespace pyember::host {

namespace {

constexpr std::size_t kPageBytes = 4096;

Descriptor sealed_memory(const char* name, std::size_t bytes) {
  Descriptor file(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file.valid() || ftruncate(file.get(), static_cast<off_t>(bytes)) != 0 ||
      fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    file.close();
  }
  return file;
}

}  // namespace

StopPage::StopPage() : file_(sealed_memory("pyember-stop", kPageBytes)) {
  if (!file_.valid()) return;
  void* page = mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0);
  if (page != MAP_FAILED) number_ = static_cast<std::uint64_t*>(page);
}

StopPage::~StopPage() {
  if (number_ != nullptr) munmap(number_, kPageBytes);
}

void StopPage::stop_cell(std::uint64_t number) {
  std::atomic_ref<std::uint64_t>(*number_).store(htole64(number), std::memory_order_release);
}

CrashFile::CrashFile() : file_(sealed_memory("pyember-crash", limits::kCrashTextBytes)) {}

std::string CrashFile::text() const {
  std::string bytes(limits::kCrashTextBytes, '\0');
  const ssize_t n = pread(file_.get(), bytes.data(), bytes.size(), 0);
  if (n <= 0) return {};
  return utf8::repaired(std::string_view(bytes).substr(0, bytes.find('\0')));
}

}  // namespace pyember::host
