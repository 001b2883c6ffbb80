#include "http_transport/http_world.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>

#include "base/check.h"

namespace pyember::host {

namespace {

ListeningSockets opened(const std::string& host) {
  Result<ListeningSockets> made = ListeningSockets::open({host, 0});
  CHECK(made.ok());
  return made.take();
}

}  // namespace

RawClient::RawClient(const std::string& address, int port)
    : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  CHECK(inet_pton(AF_INET, address.c_str(), &to.sin_addr) == 1);
  CHECK(::connect(socket_.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
  fcntl(socket_.get(), F_SETFL, O_NONBLOCK);
}

std::size_t RawClient::send_some(std::string_view text) {
  const ssize_t n = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
  return n < 0 ? 0 : static_cast<std::size_t>(n);
}

void RawClient::send(std::string_view text) {
  while (!text.empty()) {
    const std::size_t n = send_some(text);
    if (n == 0) return;
    text.remove_prefix(n);
  }
}

const std::string& RawClient::received() {
  char piece[64 << 10];
  while (!closed_ && socket_) {
    const ssize_t n = recv(socket_.get(), piece, sizeof piece, 0);
    if (n > 0) {
      received_.append(piece, static_cast<std::size_t>(n));
      continue;
    }
    closed_ = n == 0 || (errno != EAGAIN && errno != EINTR);
    break;
  }
  return received_;
}

bool RawClient::is_closed() {
  received();
  return closed_;
}

void RawClient::close_sending() { shutdown(socket_.get(), SHUT_WR); }

void RawClient::take_little() {
  const int bytes = 4096;
  setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

std::size_t RawClient::count(std::string_view text) {
  std::size_t found = 0;
  for (std::size_t at = received().find(text); at != std::string::npos;
       at = received_.find(text, at + text.size())) {
    ++found;
  }
  return found;
}

int RawClient::status() {
  constexpr std::string_view kStart = "HTTP/1.1 ";
  const std::string_view text = received();
  int number = 0;
  if (text.starts_with(kStart)) {
    std::from_chars(text.data() + kStart.size(), text.data() + text.size(), number);
  }
  return number;
}

std::string RawClient::head() { return received().substr(0, received_.find("\r\n\r\n")); }

std::string RawClient::body() {
  const std::size_t end = received().find("\r\n\r\n");
  return end == std::string::npos ? std::string() : received_.substr(end + 4);
}

HttpWorld::HttpWorld(std::function<void(HttpListen&)> change, std::string wanted_host)
    : host(std::move(wanted_host)), sockets(opened(host)) {
  HttpListen listen;
  listen.sockets = sockets.descriptors();
  if (change) change(listen);
  Result<std::unique_ptr<HttpTransport>> made = http_module().make_transport(
      loop, std::move(listen), [this](std::shared_ptr<mcp::HttpExchange> exchange) {
        if (answer) return answer(std::move(exchange));
        exchanges.push_back(std::move(exchange));
      });
  CHECK(made.ok());
  transport = made.take();
}

bool HttpWorld::until_requests(std::size_t count) {
  return until([this, count] { return exchanges.size() >= count; });
}

bool HttpWorld::until_received(RawClient& client, std::string_view text) {
  return until([&client, text] { return client.received().find(text) != std::string::npos; });
}

bool HttpWorld::until_closed(RawClient& client) {
  return until([&client] { return client.is_closed(); });
}

std::string HttpWorld::ask(RawClient& client, std::string_view request) {
  client.forget();
  client.send(request);
  until([&client] { return client.is_closed() || !client.body().empty(); });
  return client.received();
}

const HttpModule& http_module() {
  setenv("PYEMBER_HTTP_MODULE", PYEMBER_TEST_MODULE, 1);
  static const Result<HttpModule> loaded = HttpModule::load();
  if (!loaded) fmt::print(stderr, "{}\n", loaded.error().message);
  CHECK(loaded.ok());
  return loaded.value();
}

std::string post(std::string_view body, std::string_view more_fields) {
  return fmt::format("POST /mcp HTTP/1.1\r\nHost: localhost\r\n{}Content-Length: {}\r\n\r\n{}",
                     more_fields, body.size(), body);
}

void say(mcp::HttpExchange& exchange, std::string text) {
  exchange.respond(200, {{"Content-Type", "text/plain"}}, std::move(text));
}

}  // namespace pyember::host
