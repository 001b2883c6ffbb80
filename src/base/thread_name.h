#pragma once

#ifdef __linux__
#include <sys/prctl.h>
#endif

namespace pyember {

// How ps -T and debuggers show the calling thread; 15 characters at most. Threads it starts
// inherit it.
inline void name_thread(const char* name) {
#ifdef __linux__
  prctl(PR_SET_NAME, name);
#else
  static_cast<void>(name);
#endif
}

}  // namespace pyember
