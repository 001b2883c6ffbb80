#include "embed/session_descriptors.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "embed/kept_descriptor.h"
#include "embed/session_slot.h"

namespace pyember::embed {

namespace {

// The server's ends are not in this thread's table, but /proc/PID/fd is the table of the process's
// first thread, and a pipe may be opened by its name there (proc(5)).
bool open_output(const OutputPipes& pipes, int stream) {
  const std::string name = fmt::format("/proc/{}/fd/{}", getpid(), pipes.write_end(stream));
  const int end = open(name.c_str(), O_WRONLY | O_CLOEXEC);
  if (end < 0) return false;
  if (end == stream) return fcntl(end, F_SETFD, 0) == 0;
  const bool placed = dup2(end, stream) == stream;
  ::close(end);
  return placed;
}

// Ours lie from here on where the limit allows it.
constexpr int kHigh = 1000;

bool is_pipe(int descriptor, ino_t pipe) noexcept {
  struct stat status {};
  return fstat(descriptor, &status) == 0 && S_ISFIFO(status.st_mode) && status.st_ino == pipe;
}

bool is_empty(int descriptor, ino_t pipe) noexcept {
  int bytes = 0;
  const bool doubtful = current_slot && current_slot->outputs_touched.load();
  return (!doubtful || is_pipe(descriptor, pipe)) && ioctl(descriptor, FIONREAD, &bytes) == 0 &&
         bytes == 0;
}

bool is_open(int descriptor) noexcept { return fcntl(descriptor, F_GETFD) != -1; }

// /dev/null at each of the numbers.
bool nothing_at(std::initializer_list<int> descriptors) {
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) return false;
  bool placed = true;
  for (const int descriptor : descriptors) {
    placed = placed && dup2(null, descriptor) == descriptor;
    if (null == descriptor) fcntl(null, F_SETFD, 0);
  }
  if (null > 2) ::close(null);
  return placed;
}

}  // namespace

bool leave_shared_tables() {
  if (syscall(SYS_unshare, CLONE_FS | CLONE_FILES) != 0) return false;
  close_all_but_kept();  // first: the server may have used up all there are
  return nothing_at({0, 1, 2});
}

bool take_descriptors(const OutputPipes& pipes) {
  if (current_slot) current_slot->outputs_touched = false;
  const ServerScope server;
  close_all_but_kept();  // the session before may have used up all there are
  return nothing_at({0}) && open_output(pipes, 1) && open_output(pipes, 2);
}

bool mend_descriptors(const OutputPipes& pipes) {
  if (is_open(1) && is_open(2)) return false;
  const ServerScope server;
  for (const int stream : {1, 2}) {
    if (!is_open(stream)) open_output(pipes, stream);
  }
  return true;
}

int open_server_pipe(int number, int access) {
  const ServerScope server;
  const std::string name = fmt::format("/proc/{}/fd/{}", getpid(), number);
  const int low = open(name.c_str(), access | O_CLOEXEC | O_NONBLOCK);
  if (low < 0) return -1;
  const int high = fcntl(low, F_DUPFD_CLOEXEC, kHigh);
  if (high < 0) return low;
  ::close(low);
  return high;
}

void mute_descriptors() {
  const ServerScope server;
  nothing_at({1, 2});
}

void release_descriptors() {
  const ServerScope server;
  close_all_but_kept();
  nothing_at({0, 1, 2});
}

bool pipes_are_empty(const OutputPipes& pipes) noexcept {
  return is_empty(1, pipes.inode(1)) && is_empty(2, pipes.inode(2));
}

}  // namespace pyember::embed
