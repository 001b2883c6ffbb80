#include "embed/session_core.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

namespace pyember::embed {

namespace {

// A cell that prints a lot waits less often for the loop. The kernel may refuse (its limit for
// users without privilege); the default of 64 KB does as well.
constexpr int kPipeBytes = 1 << 20;

}  // namespace

OutputPipes::OutputPipes() {
  for (int stream : {1, 2}) {
    auto& ends = ends_[stream - 1];
    struct stat status {};
    if (pipe2(ends, O_CLOEXEC) != 0 || fstat(ends[1], &status) != 0) {
      close();
      return;
    }
    inodes_[stream - 1] = status.st_ino;
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
