#include "host/boundaries/sandbox_proxy.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/limits.h"
#include "base/spawn.h"
#include "mcp/json.h"

// What is to be said to the process is kept as rooms' numbers and written out when it is sent:
// after a new start all the sockets there are then are said again, and what waited is forgotten.

namespace pyember::host {

namespace {

using mcp::Json;
using std::chrono::steady_clock;

constexpr int kControlNumber = 3;  // in the process

Error no_way_out(const char* step, int error) {
  return {ErrorCode::Unavailable,
          fmt::format("The session was not opened: the way to its allowed hosts could not be made, "
                      "because {} failed ({}). Try again, or start the server without "
                      "--sandbox-host.",
                      step, strerror(error))};
}

std::string socket_path(const BoundaryFolder& folder, std::uint64_t room) {
  return fmt::format("{}/{}", folder.path(), room);
}

// A socket's address holds 107 bytes; a folder's path may be longer, its descriptor's never is.
int bind_in(const std::string& folder, std::uint64_t room, int listener) {
  const Descriptor directory(open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = fmt::format("/proc/self/fd/{}/{}", directory.get(), room);
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address);
}

// Nothing of ours: no keys, and no proxy but itself.
std::vector<std::string> proxy_process_environment(const std::string& runtime_directory) {
  std::vector<std::string> found{"PYTHONPATH=" + runtime_directory, "PYTHONUTF8=1"};
  for (const char* name : {"PATH", "LD_LIBRARY_PATH", "PYTHONDONTWRITEBYTECODE"}) {
    if (const char* value = getenv(name)) found.push_back(fmt::format("{}={}", name, value));
  }
  return found;
}

}  // namespace

SandboxProxy::SandboxProxy(EventLoop& loop, Settings settings)
    : loop_(loop),
      settings_(std::move(settings)),
      again_(loop,
             [this] {
               if (listeners_.empty()) return;
               if (auto started = start(); !started) {
                 spdlog::error("proxy_not_started why=\"{}\"", started.error().message);
                 process_ended();
               }
             }),
      idle_(loop, [this] { end(); }) {}

SandboxProxy::~SandboxProxy() { end(); }

// --- sockets
// ---------------------------------------------------------------------------------------

Result<std::string> SandboxProxy::socket_for(std::uint64_t room) {
  if (!folder_) {
    Result<BoundaryFolder> made = BoundaryFolder::make(settings_.folders);
    if (!made) return made.error();
    folder_.emplace(made.take());
  }
  if (listeners_.contains(room)) return socket_path(*folder_, room);
  Result<std::string> path = open(room);
  if (!path) return path;
  idle_.stop();
  if (process_.pid != 0) {
    waiting_.push_back({room, true});
    send_waiting();
  } else if (!again_.active()) {
    if (auto started = start(); !started) {
      release(room);
      return started.error();
    }
  }
  return path;
}

Result<std::string> SandboxProxy::open(std::uint64_t room) {
  Descriptor listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener.valid()) return no_way_out("making a socket", errno);
  std::string path = socket_path(*folder_, room);
  unlink(path.c_str());
  if (bind_in(folder_->path(), room, listener.get()) != 0) {
    return no_way_out("binding its socket", errno);
  }
  // Code in a room is another user; nobody else gets into the folder.
  if (chmod(path.c_str(), 0666) != 0 || listen(listener.get(), limits::kProxyBacklog) != 0) {
    return no_way_out("listening", errno);
  }
  listeners_.emplace(room, std::move(listener));
  return path;
}

Result<std::unique_ptr<SandboxProxy::Socket>> SandboxProxy::open_socket() {
  const std::uint64_t room = ++last_room_;
  Result<std::string> path = socket_for(room);
  if (!path) return path.error();
  return std::make_unique<Socket>(alive_, room, path.take());
}

void SandboxProxy::release(std::uint64_t room) {
  if (listeners_.erase(room) == 0) return;
  unlink(socket_path(*folder_, room).c_str());
  if (process_.pid == 0) return;
  waiting_.push_back({room, false});
  send_waiting();
  if (listeners_.empty()) idle_.start(limits::kProxyIdleTimeout);
}

// --- the process
// -----------------------------------------------------------------------------------

Result<void> SandboxProxy::start() {
  std::array<int, 2> sockets{-1, -1};
  std::array<int, 2> pipes{-1, -1};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets.data()) != 0) {
    return no_way_out("making a socket", errno);
  }
  Descriptor control(sockets[0]);
  const Descriptor control_there(sockets[1]);
  if (pipe2(pipes.data(), O_CLOEXEC) != 0) return no_way_out("making a pipe", errno);
  Descriptor log(pipes[0]);
  const Descriptor log_there(pipes[1]);
  fcntl(log.get(), F_SETFL, O_NONBLOCK);

  pid_t pid = 0;
  const int failed =
      spawn_on_its_own({settings_.python, "-S", "-s", "-P", "-m", "mcp_services.proxy"},
                       proxy_process_environment(settings_.runtime_directory),
                       {{0, -1, O_RDONLY},
                        {1, -1, O_WRONLY},
                        {2, log_there.get()},
                        {kControlNumber, control_there.get()}},
                       pid);
  if (failed != 0) return no_way_out(("starting " + settings_.python).c_str(), failed);
  process_ = identity_of(pid);
  started_ = steady_clock::now();
  control_ = std::move(control);
  poll_ = std::make_unique<Poll>(loop_, control_.get(), [this](int) { send_waiting(); });
  log_ = std::make_unique<ZygoteLog>(loop_, std::move(log), pid, "proxy_said");
  watch_ = std::make_unique<ProcessWatch>(loop_, process_, [this] { process_ended(); });
  waiting_.clear();
  for (const auto& [room, listener] : listeners_) waiting_.push_back({room, true});
  send_waiting();
  spdlog::info("proxy_started pid={}", pid);
  return {};
}

void SandboxProxy::process_ended() {
  if (steady_clock::now() - started_ > limits::kProxyLongLife) pause_ = {};
  pause_ = std::clamp(2 * pause_, limits::kProxyFirstPause, limits::kProxyLongestPause);
  spdlog::warn("proxy_ended pid={} last=\"{}\" again_ms={}", process_.pid,
               log_ ? log_->last_words() : "", pause_.count());
  end();
  again_.start(pause_);
}

void SandboxProxy::end() {
  again_.stop();
  idle_.stop();
  watch_.reset();
  poll_.reset();  // before its descriptor
  control_.close();
  log_.reset();
  waiting_.clear();
  const ProcessIdentity process = std::exchange(process_, {});
  if (process.pid == 0) return;
  signal_process(process, SIGKILL);
  // A killed process is gone within a moment; waited for, so that it does not stay as a zombie.
  for (int i = 0; i < 1000 && waitpid(process.pid, nullptr, WNOHANG) == 0; ++i) usleep(1000);
}

void SandboxProxy::send_waiting() {
  while (!waiting_.empty() && send(waiting_.front())) waiting_.pop_front();
  if (waiting_.empty()) {
    poll_->stop();
  } else {
    poll_->start(UV_WRITABLE);
  }
}

// False: it has to be sent later.
bool SandboxProxy::send(const Packet& packet) {
  const auto listener = listeners_.find(packet.room);
  if (packet.opens && listener == listeners_.end()) return true;  // released meanwhile
  std::string text = message(packet);
  iovec piece{text.data(), text.size()};
  msghdr whole{};
  whole.msg_iov = &piece;
  whole.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> room{};
  if (packet.opens) {
    whole.msg_control = room.data();
    whole.msg_controllen = room.size();
    cmsghdr* head = CMSG_FIRSTHDR(&whole);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    const int number = listener->second.get();
    std::memcpy(CMSG_DATA(head), &number, sizeof number);
  }
  ssize_t n = 0;
  do n = sendmsg(control_.get(), &whole, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  // One that is gone is told of by its watch, and told everything anew when it is back.
  return n >= 0 || errno != EAGAIN;
}

std::string SandboxProxy::message(const Packet& packet) const {
  Json found{{"op", packet.opens ? "open" : "close"}, {"id", packet.room}};
  if (packet.opens) {
    Json& hosts = found["hosts"] = Json::array();
    for (const AllowedHost& each : settings_.hosts) {
      hosts.push_back(Json::array({each.host, each.ports}));
    }
  }
  return mcp::to_json_text(found);
}

}  // namespace pyember::host
