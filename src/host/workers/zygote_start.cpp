#include "host/workers/zygote_start.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "base/spawn.h"
#include "host/options.h"

extern char** environ;

namespace pyember::host {

namespace {

constexpr int kControlNumber = 3;  // in the zygote

std::vector<std::string> zygote_environment(const std::string& runtime_directory) {
  std::vector<std::string> found{"PYTHONPATH=" + runtime_directory,
                                 "PYEMBER_BUNDLED=" + find_bundled_directory()};
  for (char** each = environ; each != nullptr && *each != nullptr; ++each) {
    const std::string_view entry = *each;
    const std::string_view name = entry.substr(0, entry.find('='));
    if (name != "PYTHONPATH" && name != "PYTHONHOME" && name != "PYEMBER_BUNDLED")
      found.emplace_back(entry);
  }
  return found;
}

Error no_descriptors() {
  return {ErrorCode::Unavailable,
          "No worker could be started, because the server's descriptors have run out. Close "
          "sessions, or raise the limit on open files (ulimit -n)."};
}

}  // namespace

Result<StartedZygote> start_zygote(const std::string& python,
                                   const std::string& runtime_directory) {
  std::array<int, 2> sockets{-1, -1};
  std::array<int, 2> pipes{-1, -1};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets.data()) != 0) {
    return no_descriptors();
  }
  Descriptor control(sockets[0]);
  const Descriptor control_there(sockets[1]);
  if (pipe2(pipes.data(), O_CLOEXEC) != 0) return no_descriptors();
  Descriptor log(pipes[0]);
  const Descriptor log_there(pipes[1]);
  fcntl(log.get(), F_SETFL, O_NONBLOCK);

  pid_t pid = 0;
  const std::string number = std::to_string(kControlNumber);
  const int failed = spawn_on_its_own({python, "-m", "mcp_runtime.worker", "--control", number},
                                      zygote_environment(runtime_directory),
                                      {{0, -1, O_RDONLY},
                                       {1, log_there.get()},
                                       {2, log_there.get()},
                                       {kControlNumber, control_there.get()}},
                                      pid);
  if (failed != 0) {
    return Error{ErrorCode::Unavailable,
                 fmt::format("No worker could be started: {} could not be run ({}). Name a Python "
                             "that is installed, or make the environment again.",
                             python, strerror(failed))};
  }
  return StartedZygote{identity_of(pid), std::move(control), false, std::move(log), nullptr};
}

}  // namespace pyember::host
