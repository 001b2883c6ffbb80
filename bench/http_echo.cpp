// What a round trip over HTTP costs before any server does anything: the same small response to
// whatever a read brings, one connection after the other. Nothing is parsed. Bench only.
//
//   pyember_bench_http_echo PORT

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string_view>

namespace {

constexpr std::string_view kResponse =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

[[noreturn]] void fail(const char* what) {
  perror(what);
  exit(1);
}

int listening(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("bind");
  if (listen(fd, 8) != 0) fail("listen");
  return fd;
}

// Waits as servers do, with epoll, not in recv().
void serve(int connection) {
  const int yes = 1;
  setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{EPOLLIN, {.fd = connection}};
  epoll_ctl(epoll, EPOLL_CTL_ADD, connection, &event);
  char bytes[65536];
  while (epoll_wait(epoll, &event, 1, -1) == 1) {
    if (recv(connection, bytes, sizeof bytes, 0) <= 0) break;
    if (send(connection, kResponse.data(), kResponse.size(), MSG_NOSIGNAL) <= 0) break;
  }
  close(epoll);
  close(connection);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: pyember_bench_http_echo PORT\n");
    return 2;
  }
  const int socket = listening(atoi(argv[1]));
  for (;;) {
    const int connection = accept4(socket, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection >= 0) serve(connection);
  }
}
