#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/descriptor.h"
#include "base/result.h"
#include "host/boundaries/allowed_hosts.h"
#include "host/boundaries/boundary_folder.h"
#include "host/loop/uv_handle.h"
#include "host/runs/process_identity.h"
#include "host/runs/process_watch.h"
#include "host/workers/zygote_log.h"

namespace pyember::host {

// The way out of rooms that may reach some hosts: a process of the server's (python -m
// mcp_services.proxy) which serves each of them on a Unix socket of its own. The sockets are ours:
// they are there, and wait, before the process is ready, and stay when it dies, for it is started
// again. It is started with the first socket and ended when it has had none for long. Loop's thread
// only; the loop outlives it.
class SandboxProxy {
 public:
  struct Settings {
    std::string python;             // 3.13 or later, with nothing but its standard library
    std::string runtime_directory;  // holds the package mcp_services
    std::string folders;            // below it the sockets get a folder
    std::vector<AllowedHost> hosts;
  };
  SandboxProxy(EventLoop& loop, Settings settings);
  ~SandboxProxy();  // kills the process and removes the sockets
  SandboxProxy(const SandboxProxy&) = delete;
  SandboxProxy& operator=(const SandboxProxy&) = delete;

  // The path of a room's socket, to be shown in it as kProxySocket; everybody who sees it may
  // connect. The same one when it has been asked for before.
  Result<std::string> socket_for(std::uint64_t room);
  // The room is gone: its connections are closed, its socket is removed.
  void release(std::uint64_t room);

  // A room's socket which is released with this, if there still is a proxy then.
  class Socket {
   public:
    Socket(std::weak_ptr<SandboxProxy*> proxy, std::uint64_t room, std::string path)
        : proxy_(std::move(proxy)), room_(room), path_(std::move(path)) {}
    ~Socket() {
      if (const auto proxy = proxy_.lock()) (*proxy)->release(room_);
    }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

    const std::string& path() const { return path_; }

   private:
    const std::weak_ptr<SandboxProxy*> proxy_;
    const std::uint64_t room_;
    const std::string path_;
  };
  // For one more room.
  Result<std::unique_ptr<Socket>> open_socket();

  // Kills the process; who asks for a socket after that gets another one.
  void end();

  const ProcessIdentity& process() const { return process_; }  // pid 0: there is none

 private:
  struct Packet {
    std::uint64_t room = 0;
    bool opens = false;
  };

  Result<std::string> open(std::uint64_t room);
  Result<void> start();
  void process_ended();
  void send_waiting();
  bool send(const Packet& packet);
  std::string message(const Packet& packet) const;

  EventLoop& loop_;
  const Settings settings_;
  // Shared with sockets, which look here whether we still are.
  const std::shared_ptr<SandboxProxy*> alive_ = std::make_shared<SandboxProxy*>(this);
  std::optional<BoundaryFolder> folder_;
  std::map<std::uint64_t, Descriptor> listeners_;
  std::uint64_t last_room_ = 0;
  std::deque<Packet> waiting_;

  ProcessIdentity process_;
  Descriptor control_;
  std::unique_ptr<Poll> poll_;
  std::unique_ptr<ZygoteLog> log_;
  std::unique_ptr<ProcessWatch> watch_;
  std::chrono::steady_clock::time_point started_{};
  std::chrono::milliseconds pause_{};  // before the next start
  Timer again_;
  Timer idle_;
};

}  // namespace pyember::host
