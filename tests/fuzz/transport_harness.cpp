#include "fuzz/transport_harness.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/unique_fd.h"
#include "http_module/http_server.h"

namespace pyember::test {

namespace {

using host::EventLoop;
using Exchange = std::shared_ptr<mcp::HttpExchange>;

constexpr std::size_t kBodyBytes = 2000;
constexpr std::string_view kGood = "GET /good HTTP/1.1\r\nHost: localhost\r\n\r\n";

sockaddr_un address() {
  // An abstract name: nothing is left on the disk.
  static const std::string name = fmt::format("pyember-fuzz-{}", getpid());
  sockaddr_un made{};
  made.sun_family = AF_UNIX;
  std::copy(name.begin(), name.end(), made.sun_path + 1);
  return made;
}

UniqueFd made_socket() {
  return UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// Not the kind that people use, but one whose ends don't stay in the system for a minute.
int listening_socket() {
  static const UniqueFd made = [] {
    UniqueFd listener = made_socket();
    const sockaddr_un place = address();
    CHECK(bind(listener.get(), reinterpret_cast<const sockaddr*>(&place), sizeof place) == 0);
    CHECK(listen(listener.get(), 16) == 0);
    return listener;
  }();
  return made.get();
}

class Client {
 public:
  Client() : socket_(made_socket()) {
    const sockaddr_un place = address();
    CHECK(connect(socket_.get(), reinterpret_cast<const sockaddr*>(&place), sizeof place) == 0);
  }

  void send(std::string_view text) {
    static_cast<void>(::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL));
  }
  void close_sending() { shutdown(socket_.get(), SHUT_WR); }
  const std::string& heard() {
    char piece[16 << 10];
    for (;;) {
      const ssize_t n = recv(socket_.get(), piece, sizeof piece, 0);
      if (n <= 0) return heard_;
      heard_.append(piece, static_cast<std::size_t>(n));
    }
  }

 private:
  UniqueFd socket_;
  std::string heard_;
};

bool is_clean(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char letter) {
    return static_cast<unsigned char>(letter) <= ' ' || letter == '\x7f';
  });
}

// Answers as the first byte says, and looks at what it is given.
class Handler {
 public:
  explicit Handler(unsigned how) : how_(how) {}

  void operator()(const Exchange& exchange) {
    const mcp::HttpRequest& request = exchange->request();
    CHECK(!request.method.empty() && is_clean(request.method));
    CHECK(!request.path.empty() && is_clean(request.path) && is_clean(request.query));
    CHECK(request.body.size() <= kBodyBytes);
    for (const char* name : {"Host", "Accept", "X-A", "Mcp-Name", "Content-Length"}) {
      if (const auto value = request.header(name)) seen_ += value->size();
    }
    if (request.path == "/good") return exchange->respond(200, {}, "good");
    const auto told = std::make_shared<int>(0);
    exchange->on_gone([told] { CHECK(++*told == 1); });
    answer(exchange);
  }

  // What has been kept is answered.
  void answer_all() {
    for (const Exchange& exchange : kept_) {
      if (how_ % 8 == 1) {
        exchange->respond(200, {{"X-A", "b"}}, std::string(seen_ % 5000, 'x'));
      } else {
        exchange->write("one more");
        exchange->end();
      }
    }
    kept_.clear();
  }

 private:
  void answer(const Exchange& exchange) {
    switch (how_ % 8) {
      case 0:
        return exchange->respond(200, {{"Content-Type", "text/plain"}}, "done");
      case 1:
        kept_.push_back(exchange);
        return;
      case 2:
        exchange->begin_stream(200, {});
        exchange->write("piece");
        kept_.push_back(exchange);
        return;
      case 3:
        return;  // let go
      case 4:
        exchange->begin_stream(200, {});
        return;  // let go in the middle
      case 5:
        exchange->begin_stream(200, {});
        exchange->write(std::string(100'000, 'x'));  // more than may wait
        kept_.push_back(exchange);
        return;
      default:
        exchange->begin_stream(200, {});
        exchange->end();
    }
  }

  const unsigned how_;
  std::size_t seen_ = 0;
  std::vector<Exchange> kept_;
};

host::HttpListen small_bounds() {
  host::HttpListen listen;
  listen.sockets = {listening_socket()};
  listen.body_bytes = kBodyBytes;
  listen.bodies_bytes = 2 * kBodyBytes;
  listen.head_bytes = 1000;
  listen.pending_bytes = 64 << 10;
  return listen;
}

void turn(EventLoop& loop, int times = 3) {
  for (int i = 0; i < times; ++i) loop.run_ready();
}

void send_pieces(EventLoop& loop, Client& client, std::string_view bytes) {
  constexpr std::string_view kEnd = "\n====\n";
  while (!bytes.empty()) {
    const std::size_t end = std::min(bytes.find(kEnd), bytes.size());
    const std::string_view piece = bytes.substr(0, end);
    if (piece == "-") {
      client.close_sending();
    } else {
      client.send(piece);
    }
    turn(loop);
    bytes.remove_prefix(std::min(end + kEnd.size(), bytes.size()));
  }
}

// Whoever else comes is served.
void check_serving(EventLoop& loop) {
  Client other;
  other.send(kGood);
  constexpr int kTurns = 1000;
  for (int i = 0; i < kTurns && !other.heard().ends_with("good"); ++i) loop.run_ready();
  CHECK(other.heard().starts_with("HTTP/1.1 200 "));
  CHECK(other.heard().ends_with("good"));
}

}  // namespace

void drive_transport(std::string_view bytes) {
  if (bytes.empty()) return;
  EventLoop loop;
  Handler handler(static_cast<unsigned char>(bytes.front()));
  auto server = http_module::HttpServer::make(
      loop, small_bounds(), [&handler](const Exchange& exchange) { handler(exchange); });
  CHECK(server.ok());
  auto client = std::make_unique<Client>();
  send_pieces(loop, *client, bytes.substr(1));
  CHECK(client->heard().empty() || client->heard().starts_with("HTTP/1."));
  check_serving(loop);
  handler.answer_all();
  turn(loop);
  client->heard();
  if (bytes.front() & 64) client.reset();
  turn(loop);
  check_serving(loop);
  std::unique_ptr<host::HttpTransport> transport = server.take();
  if (bytes.front() & 32) transport->close_idle();
  turn(loop);
  transport.reset();
  handler.answer_all();
}

}  // namespace pyember::test
