// How many connections there may be, and for how long.
#include "http_transport/http_world.h"

#include <ifaddrs.h>
#include <netdb.h>
#include <sys/socket.h>

#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;
using namespace std::chrono_literals;

namespace {

void answer_all(HttpWorld& world) {
  world.answer = [](const auto& exchange) { say(*exchange, "answered"); };
}

// One of this machine that is no loopback; empty: it has none.
std::string outer_address() {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return {};
  std::string found;
  for (const ifaddrs* each = all; each != nullptr && found.empty(); each = each->ifa_next) {
    if (each->ifa_addr == nullptr || each->ifa_addr->sa_family != AF_INET) continue;
    char text[64] = "";
    getnameinfo(each->ifa_addr, sizeof(sockaddr_in), text, sizeof text, nullptr, 0, NI_NUMERICHOST);
    if (!std::string(text).starts_with("127.")) found = text;
  }
  freeifaddrs(all);
  return found;
}

}  // namespace

TEST_CASE("HttpServer: half a request is cut off after a while, and others are served meanwhile") {
  HttpWorld world([](HttpListen& listen) { listen.request_time = 100ms; });
  answer_all(world);
  const std::string half = GENERATE(
      as<std::string>(), "", "POST", "POST /mcp HTTP/1.1\r\nHost: loc",
      "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhello",
      "POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel");
  const auto slow = world.connect();
  slow->send(half);
  const auto other = world.connect();
  CHECK(world.ask(*other, post("{}")).find("answered") != std::string::npos);
  CHECK(world.until_closed(*slow));
  CHECK(slow->count("answered") == 0);
}

TEST_CASE("HttpServer: a head that comes letter by letter has no more time than another") {
  HttpWorld world([](HttpListen& listen) { listen.request_time = 100ms; });
  const auto slow = world.connect();
  slow->send("GET / HTTP/1.1\r\nX-A: ");
  CHECK(world.until([&] {
    slow->send("a");
    return slow->is_closed();
  }));
}

TEST_CASE("HttpServer: a connection between two requests is closed after a while") {
  HttpWorld world([](HttpListen& listen) { listen.idle_time = 100ms; });
  answer_all(world);
  const auto client = world.connect();
  CHECK(world.ask(*client, post("{}")).find("answered") != std::string::npos);
  CHECK(world.until_closed(*client));
}

TEST_CASE("HttpServer: a request may be answered later than any of its clients' times") {
  HttpWorld world([](HttpListen& listen) {
    listen.idle_time = 1ms;
    listen.request_time = 1ms;
    listen.write_time = 1ms;
  });
  const auto client = world.connect();
  client->send(post("{}"));
  REQUIRE(world.until_requests());
  world.turn_for(2500ms);
  say(*world.exchanges[0], "at last");
  CHECK(world.until_received(*client, "at last"));
}

TEST_CASE("HttpServer: more connections than may be wait until one has ended") {
  HttpWorld world([](HttpListen& listen) { listen.connections = 3; });
  answer_all(world);
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(world.connect());
    REQUIRE(world.ask(*clients.back(), post("{}")).find("answered") != std::string::npos);
  }
  const auto late = world.connect();
  late->send(post("{}"));
  world.turn_for(50ms);
  CHECK(late->received().empty());
  CHECK(world.transport->connections() == 3);
  clients.front()->leave();
  CHECK(world.until_received(*late, "answered"));
}

TEST_CASE("HttpServer: one address has its bound, but for this machine's own") {
  std::string host = "127.0.0.1";
  bool bounded = false;
  SECTION("of this machine") {}
  SECTION("from elsewhere") {
    host = outer_address();
    bounded = true;
  }
  if (host.empty()) {
    WARN("this machine has loopback alone");
    return;
  }
  HttpWorld world([](HttpListen& listen) { listen.connections_of_peer = 2; }, host);
  answer_all(world);
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 2; ++i) {
    clients.push_back(world.connect());
    REQUIRE(world.ask(*clients.back(), post("{}")).find("answered") != std::string::npos);
  }
  const auto third = world.connect();
  third->send(post("{}"));
  if (!bounded) {
    CHECK(world.until_received(*third, "answered"));
    return;
  }
  CHECK(world.until_closed(*third));
  clients.pop_back();
  REQUIRE(world.until([&world] { return world.transport->connections() == 1; }));
  const auto fourth = world.connect();
  fourth->send(post("{}"));
  CHECK(world.until_received(*fourth, "answered"));
}

TEST_CASE("HttpServer: a server that stops listening goes on with those it has") {
  HttpWorld world;
  answer_all(world);
  const auto client = world.connect();
  REQUIRE(world.ask(*client, post("{}")).find("answered") != std::string::npos);
  world.transport->stop_listening();
  const auto late = world.connect();  // the socket takes it, for whoever listens next
  late->send(post("{}"));
  CHECK(world.ask(*client, post("{}")).find("answered") != std::string::npos);
  world.turn_for(1500ms);
  CHECK(late->received().empty());
  CHECK_FALSE(late->is_closed());
}

TEST_CASE("HttpServer: the next server on the same sockets serves who came meanwhile") {
  HttpWorld world;
  world.transport.reset();
  const auto client = world.connect();
  client->send(post("{}"));
  HttpListen listen;
  listen.sockets = world.sockets.descriptors();
  auto next = http_module().make_transport(
      world.loop, std::move(listen), [](const auto& exchange) { say(*exchange, "by the next"); });
  REQUIRE(next);
  CHECK(world.until_received(*client, "by the next"));
}

TEST_CASE(
    "HttpServer: idle connections are closed when they are to be, and used ones after their "
    "answer") {
  HttpWorld world;
  const auto idle = world.connect();
  const auto used = world.connect();
  used->send(post("{}"));
  REQUIRE(world.until_requests());
  world.transport->close_idle();
  CHECK(world.until_closed(*idle));
  CHECK_FALSE(used->is_closed());
  say(*world.exchanges[0], "done");
  REQUIRE(world.until_closed(*used));
  CHECK(used->body() == "done");
  CHECK(used->head().find("Connection: close") != std::string::npos);
}

TEST_CASE("HttpServer: clients that come and go leave nothing behind") {
  HttpWorld world;
  answer_all(world);
  for (int i = 0; i < 300; ++i) {
    const auto client = world.connect();
    client->send(i % 3 == 0 ? std::string("POST /mcp HT") : post("{}"));
    if (i % 2 == 0) world.loop.run_ready();
  }
  CHECK(world.until([&world] { return world.transport->connections() == 0; }));
  CHECK(world.transport->open_exchanges() == 0);
}
