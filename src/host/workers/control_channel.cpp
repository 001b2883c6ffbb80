#include "host/workers/control_channel.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
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

Result<StartedZygote> ControlChannel::start(Command command, std::shared_ptr<ZygoteRoom> room,
                                            const Failure& failure) {
  std::vector<ChildDescriptor> descriptors{{0, -1, O_RDONLY},
                                           {1, log_there_.get()},
                                           {2, log_there_.get()},
                                           {kNumber, control_there_.get()}};
  descriptors.insert(descriptors.end(), command.descriptors.begin(), command.descriptors.end());
  const std::string program = command.arguments.front();
  pid_t pid = 0;
  const int failed = spawn_on_its_own(std::move(command.arguments), std::move(command.environment),
                                      descriptors, pid);
  if (failed != 0) {
    return Error{ErrorCode::Unavailable,
                 fmt::format("{}: {} could not be run ({}). {}", failure.what, program,
                             strerror(failed), failure.instead)};
  }
  return StartedZygote{identity_of(pid), std::move(control_), false, std::move(log_),
                       std::move(room)};
}

}  // namespace pyember::host
