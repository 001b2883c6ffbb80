#include "host/workers/output_pipes.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "base/limits.h"

namespace pyember::host {

namespace {

constexpr int kPipeBytes = 1 << 20;

int waiting_in(const Descriptor& pipe) {
  int bytes = 0;
  return ioctl(pipe.get(), FIONREAD, &bytes) == 0 ? bytes : 0;
}

}  // namespace

OutputPipes::OutputPipes() {
  for (Pipe& pipe : pipes_) {
    std::array<int, 2> ends{-1, -1};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return;
    pipe.read = Descriptor(ends[0]);
    pipe.write = Descriptor(ends[1]);
    fcntl(ends[1], F_SETPIPE_SZ, kPipeBytes);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
  }
}

bool OutputPipes::valid() const { return pipes_[0].read.valid() && pipes_[1].read.valid(); }

Descriptor OutputPipes::copy_of_write_end(int stream) const {
  return Descriptor(fcntl(pipes_[index(stream)].write.get(), F_DUPFD_CLOEXEC, 3));
}

bool OutputPipes::empty() const {
  return waiting_in(pipes_[0].read) == 0 && waiting_in(pipes_[1].read) == 0;
}

void OutputPipes::discard() {
  std::array<char, 16u << 10> chunk;
  for (const Pipe& pipe : pipes_) {
    // No more than is there now: something may go on writing.
    for (int left = waiting_in(pipe.read); left > 0;) {
      const ssize_t n = read(pipe.read.get(), chunk.data(), chunk.size());
      if (n <= 0) break;
      left -= static_cast<int>(n);
    }
  }
}

}  // namespace pyember::host
