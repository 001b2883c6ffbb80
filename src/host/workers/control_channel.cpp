#include "host/workers/control_channel.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <utility>

namespace pyember::host {

Result<ControlChannel> ControlChannel::open() {
  const Error no_descriptors{
      ErrorCode::Unavailable,
      "No worker could be started, because the server's descriptors have run out. Close sessions, "
      "or raise the limit on open files (ulimit -n)."};
  std::array<int, 2> sockets{-1, -1};
  std::array<int, 2> pipes{-1, -1};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets.data()) != 0) {
    return no_descriptors;
  }
  ControlChannel channel;
  channel.control_ = Descriptor(sockets[0]);
  channel.control_there_ = Descriptor(sockets[1]);
  if (pipe2(pipes.data(), O_CLOEXEC) != 0) return no_descriptors;
  channel.log_ = Descriptor(pipes[0]);
  channel.log_there_ = Descriptor(pipes[1]);
  fcntl(channel.log_.get(), F_SETFL, O_NONBLOCK);
  return channel;
}

std::vector<ChildDescriptor> ControlChannel::for_child() const {
  return {{0, -1, O_RDONLY},
          {1, log_there_.get()},
          {2, log_there_.get()},
          {kNumber, control_there_.get()}};
}

StartedZygote ControlChannel::started(pid_t pid, std::shared_ptr<ZygoteRoom> room) {
  return {identity_of(pid), std::move(control_), false, std::move(log_), std::move(room)};
}

}  // namespace pyember::host
