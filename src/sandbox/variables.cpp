#include "sandbox/variables.h"

#include <unistd.h>

#include <string_view>

namespace pyember::sandbox {

void take_variables(const std::string& prefix) {
  char** kept = environ;
  for (char** each = environ; *each != nullptr; ++each) {
    if (std::string_view(*each).starts_with(prefix)) *kept++ = *each + prefix.size();
  }
  *kept = nullptr;
}

}  // namespace pyember::sandbox
