#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace pyember {

void check_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "pyember: internal check failed: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace pyember
