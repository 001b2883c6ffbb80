// A client of HTTP for measuring, over bare sockets: it sends the same request again and again over
// connections that it keeps, and looks at nothing of an answer but its status and its end. Prints
// JSON.
//
//   pyember_bench_http calls PORT CONNECTIONS CALLS < REQUEST
//     {"microseconds": of each call, in the order they ended, "seconds": all of them took,
//     "failures": answers that were none}
//   pyember_bench_http listen PORT STREAMS DESCRIPTOR < REQUEST
//     Opens as many streams and says "ready". For each line on the descriptor it waits until every
//     stream has brought one more event, and says when the first and the last did, by the machine's
//     monotonic clock in ns: "reached FIRST LAST".
//
// REQUEST is the whole request, head and body, as it goes over the wire.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace {

std::uint64_t now_ns() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000u +
         static_cast<std::uint64_t>(time.tv_nsec);
}

[[noreturn]] void fail(const char* what) {
  perror(what);
  exit(1);
}

int connected(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    fail("connect");
  }
  const int yes = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  return fd;
}

void send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) fail("send");
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

// Where an answer that begins a buffer ends; 0: it is not there whole.
std::size_t end_of_answer(const std::string& buffer) {
  const std::size_t head = buffer.find("\r\n\r\n");
  if (head == std::string::npos) return 0;
  const std::size_t body = head + 4;
  for (const char* name : {"\r\nContent-Length: ", "\r\ncontent-length: "}) {
    const std::size_t field = buffer.find(name);
    if (field == std::string::npos || field > head) continue;
    const std::size_t length = strtoul(buffer.c_str() + field + strlen(name), nullptr, 10);
    return buffer.size() >= body + length ? body + length : 0;
  }
  const std::size_t last = buffer.find("\r\n0\r\n\r\n", head);  // in chunks
  return last == std::string::npos ? 0 : last + 7;
}

struct Connection {
  int fd = -1;
  std::string received;
  std::uint64_t sent_ns = 0;
  std::size_t events = 0;
  std::size_t fresh_events = 0;  // of them, those that the latest look has brought
};

class Load {
 public:
  Load(int port, std::size_t connections, std::string request)
      : request_(std::move(request)), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    connections_.resize(connections);
    for (std::size_t index = 0; index < connections; ++index) {
      connections_[index].fd = connected(port);
      epoll_event event{EPOLLIN, {.u64 = index}};
      epoll_ctl(epoll_, EPOLL_CTL_ADD, connections_[index].fd, &event);
    }
  }

  void calls(std::size_t wanted) {
    const std::uint64_t begin = now_ns();
    std::size_t sent = 0;
    for (Connection& each : connections_) {
      if (sent < wanted) ask(each), ++sent;
    }
    while (microseconds_.size() + failures_ < wanted) {
      for (Connection* each : readable()) {
        const std::size_t end = end_of_answer(each->received);
        if (end == 0) continue;
        count(*each);
        each->received.erase(0, end);
        if (sent < wanted) ask(*each), ++sent;
      }
    }
    print(static_cast<double>(now_ns() - begin) / 1e9);
  }

  // Each stream has brought its head and its first event.
  void open_streams() {
    for (Connection& each : connections_) {
      ask(each);
      while (each.events == 0) readable();
    }
  }

  // What is told next: from now until every stream has brought an event more.
  void expect_event() {
    for (Connection& each : connections_) each.events = 0;
  }
  void wait_for_event() {
    std::uint64_t first = 0;
    for (std::size_t without = connections_.size(); without > 0;) {
      for (const Connection* each : readable()) {
        if (each->fresh_events == 0) continue;
        if (first == 0) first = now_ns();
        without -= each->events == each->fresh_events;
      }
    }
    std::cout << "reached " << first << ' ' << now_ns() << std::endl;
  }

 private:
  void ask(Connection& connection) {
    connection.sent_ns = now_ns();
    send_all(connection.fd, request_);
  }

  std::vector<Connection*> readable() {
    epoll_event events[64];
    const int count = epoll_wait(epoll_, events, 64, 60'000);
    if (count <= 0) fail("no answer within 60 s");
    std::vector<Connection*> found;
    for (int index = 0; index < count; ++index) {
      Connection& connection = connections_[events[index].data.u64];
      const std::size_t before = connection.received.size();
      char bytes[16384];
      const ssize_t n = recv(connection.fd, bytes, sizeof bytes, 0);
      if (n <= 0) fail("the server closed a connection");
      connection.received.append(bytes, static_cast<std::size_t>(n));
      look_for_events(connection, before);
      found.push_back(&connection);
    }
    return found;
  }

  static void look_for_events(Connection& connection, std::size_t before) {
    const std::size_t from = before < 8 ? 0 : before - 8;
    connection.fresh_events = 0;
    for (std::size_t at = connection.received.find("\ndata: ", from); at != std::string::npos;
         at = connection.received.find("\ndata: ", at + 1)) {
      if (at + 7 > before) ++connection.fresh_events;
    }
    connection.events += connection.fresh_events;
  }

  void count(const Connection& connection) {
    if (connection.received.starts_with("HTTP/1.1 200")) {
      microseconds_.push_back(static_cast<double>(now_ns() - connection.sent_ns) / 1e3);
    } else if (failures_++ == 0) {
      std::cerr << connection.received.substr(0, 600) << '\n';
    }
  }

  void print(double seconds) const {
    std::cout << R"({"seconds":)" << seconds << R"(,"failures":)" << failures_
              << R"(,"microseconds":[)";
    const char* separator = "";
    for (const double each : microseconds_) {
      std::cout << separator << each;
      separator = ",";
    }
    std::cout << "]}\n";
  }

  const std::string request_;
  const int epoll_;
  std::vector<Connection> connections_;
  std::vector<double> microseconds_;
  std::size_t failures_ = 0;
};

void allow_many_descriptors() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

void listen(Load& load, int descriptor) {
  load.open_streams();
  load.expect_event();
  std::cout << "ready" << std::endl;
  FILE* const orders = fdopen(descriptor, "r");
  char line[64];
  while (orders != nullptr && fgets(line, sizeof line, orders) != nullptr) {
    load.wait_for_event();
    load.expect_event();
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if ((mode != "calls" || argc != 5) && (mode != "listen" || argc != 5)) {
    std::cerr << "usage: pyember_bench_http calls PORT CONNECTIONS CALLS | listen PORT STREAMS "
                 "DESCRIPTOR\n";
    return 2;
  }
  allow_many_descriptors();
  std::string request{std::istreambuf_iterator<char>(std::cin), {}};
  Load load(atoi(argv[2]), strtoul(argv[3], nullptr, 10), std::move(request));
  if (mode == "calls") {
    load.calls(strtoul(argv[4], nullptr, 10));
  } else {
    listen(load, atoi(argv[4]));
  }
  return 0;
}
