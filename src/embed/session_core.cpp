#include "embed/session_core.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

#include "base/check.h"

namespace pyember::embed {

namespace {

// A cell that prints a lot waits less often for the loop. The kernel may refuse (its limit for
// users without privilege); the default of 64 KB does as well.
constexpr int kPipeBytes = 1 << 20;

}  // namespace

OutputPipes::OutputPipes() {
  for (auto& ends : ends_) {
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    fcntl(ends[1], F_SETPIPE_SZ, kPipeBytes);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
  }
}

OutputPipes::~OutputPipes() { close(); }

void OutputPipes::close() {
  for (auto& ends : ends_) {
    for (int& end : ends) {
      if (const int descriptor = std::exchange(end, -1); descriptor >= 0) ::close(descriptor);
    }
  }
}

}  // namespace pyember::embed
