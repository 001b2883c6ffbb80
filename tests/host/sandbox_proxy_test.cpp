#include "host/boundaries/sandbox_proxy.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "host/options.h"
#include "loop_fixture.h"
#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;

namespace {

struct ProxyFixture : LoopFixture {
  ProxyFixture() {
    char name[] = "/tmp/pyember-proxy-XXXXXX";
    // Deeper than a socket's address is long.
    folder = std::string(mkdtemp(name));
    proxy = make(folder + "/" + std::string(100, 'd'));
  }
  ~ProxyFixture() {
    proxy.reset();
    std::filesystem::remove_all(folder);
  }

  std::unique_ptr<SandboxProxy> make(const std::string& folders,
                                     const std::string& python = PYEMBER_TEST_PYTHON) {
    return std::make_unique<SandboxProxy>(
        loop, SandboxProxy::Settings{
                  python, find_runtime_directory(), folders, {{"example.invalid", {443}}}});
  }

  // Asks for a tunnel to another host.
  Descriptor ask(const std::string& path) {
    const Descriptor directory(
        open(std::filesystem::path(path).parent_path().c_str(), O_PATH | O_CLOEXEC));
    Descriptor client(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string name = "/proc/self/fd/" + std::to_string(directory.get()) + "/" +
                             std::filesystem::path(path).filename().string();
    name.copy(address.sun_path, sizeof address.sun_path - 1);
    if (connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      return Descriptor();
    }
    const std::string request = "CONNECT other.invalid:443 HTTP/1.1\r\n\r\n";
    REQUIRE(send(client.get(), request.data(), request.size(), MSG_NOSIGNAL) > 0);
    fcntl(client.get(), F_SETFL, O_NONBLOCK);
    return client;
  }

  // What comes back within the deadline; turns the loop meanwhile.
  std::string answer(const Descriptor& client) {
    std::string found;
    const bool came = until([&] {
      char chunk[4096];
      const ssize_t n = recv(client.get(), chunk, sizeof chunk, 0);
      if (n > 0) found.append(chunk, static_cast<std::size_t>(n));
      return n == 0 || (n < 0 && errno != EAGAIN);
    });
    CHECK(came);
    return found;
  }

  std::string folder;
  std::unique_ptr<SandboxProxy> proxy;
};

std::string taken(Result<std::string> path) {
  REQUIRE(path.ok());
  return path.take();
}

bool exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

}  // namespace

TEST_CASE_METHOD(ProxyFixture, "Sandbox proxy: a room's socket answers by the list") {
  const std::string path = taken(proxy->socket_for(1));
  const std::string said = answer(ask(path));
  CHECK(said.starts_with("HTTP/1.1 403 other.invalid:443 is not among the hosts"));
}

TEST_CASE_METHOD(ProxyFixture,
                 "Sandbox proxy: every room has a socket of its own, which it keeps") {
  const std::string one = taken(proxy->socket_for(1));
  const pid_t process = proxy->process().pid;
  const std::string other = taken(proxy->socket_for(2));
  CHECK(one != other);
  CHECK(taken(proxy->socket_for(1)) == one);
  CHECK(proxy->process().pid == process);
  struct stat status {};
  REQUIRE(stat(one.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0666);
  REQUIRE(stat(std::filesystem::path(one).parent_path().c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);
}

TEST_CASE_METHOD(ProxyFixture, "Sandbox proxy: a room that is gone leaves no socket") {
  const std::string one = taken(proxy->socket_for(1));
  const std::string other = taken(proxy->socket_for(2));
  const Descriptor waits = ask(one);
  proxy->release(1);
  proxy->release(1);
  CHECK_FALSE(exists(one));
  CHECK(answer(ask(other)).starts_with("HTTP/1.1 403 "));
}

TEST_CASE_METHOD(ProxyFixture, "Sandbox proxy: a socket lives as long as its owner") {
  auto socket = proxy->open_socket();
  REQUIRE(socket.ok());
  const std::string path = socket.value()->path();
  CHECK(answer(ask(path)).starts_with("HTTP/1.1 403 "));
  socket.value().reset();
  CHECK_FALSE(exists(path));
  const auto later = proxy->open_socket();
  proxy.reset();
  CHECK_FALSE(exists(later.value()->path()));
}

TEST_CASE_METHOD(ProxyFixture, "Sandbox proxy: a process that dies is replaced, the sockets stay") {
  const std::string path = taken(proxy->socket_for(1));
  const ProcessIdentity first = proxy->process();
  CHECK(answer(ask(path)).starts_with("HTTP/1.1 403 "));
  kill(first.pid, SIGKILL);
  const Descriptor meanwhile = ask(path);
  CHECK(answer(meanwhile).starts_with("HTTP/1.1 403 "));
  CHECK(proxy->process().pid != 0);
  CHECK_FALSE(proxy->process() == first);
  CHECK(is_reaped(first));
}

TEST_CASE_METHOD(ProxyFixture, "Sandbox proxy: nothing of it is left behind") {
  const std::string path = taken(proxy->socket_for(1));
  const ProcessIdentity process = proxy->process();
  proxy.reset();
  CHECK(is_reaped(process));
  CHECK_FALSE(exists(path));
  CHECK_FALSE(exists(std::filesystem::path(path).parent_path().string()));
}

TEST_CASE_METHOD(ProxyFixture,
                 "Sandbox proxy: one that can't be started is an error in three parts") {
  proxy = make(folder, "/nowhere/python");
  const auto path = proxy->socket_for(1);
  REQUIRE_FALSE(path.ok());
  CHECK(path.error().message.find("starting /nowhere/python failed (No such file") !=
        std::string::npos);
  CHECK(path.error().message.find("without --sandbox-host") != std::string::npos);
}

TEST_CASE_METHOD(ProxyFixture, "Sandbox proxy: many rooms at once are all served") {
  std::vector<std::string> paths;
  for (std::uint64_t room = 1; room <= 64; ++room) paths.push_back(taken(proxy->socket_for(room)));
  CHECK(answer(ask(paths.back())).starts_with("HTTP/1.1 403 "));
  CHECK(answer(ask(paths.front())).starts_with("HTTP/1.1 403 "));
  for (std::uint64_t room = 1; room <= 64; ++room) proxy->release(room);
  CHECK_FALSE(exists(paths.front()));
}
