// Who answers when, and what becomes of clients that go and of exchanges that are let go.
#include "http_transport/http_world.h"

#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;

TEST_CASE("HttpServer: an answer may come later, and others are answered meanwhile") {
  HttpWorld world;
  const auto slow = world.connect();
  const auto quick = world.connect();
  slow->send(post("slow"));
  REQUIRE(world.until_requests(1));
  quick->send(post("quick"));
  REQUIRE(world.until_requests(2));
  say(*world.exchanges[1], "quickly");
  REQUIRE(world.until_received(*quick, "quickly"));
  CHECK(slow->received().empty());
  CHECK(world.transport->open_exchanges() >= 1);
  say(*world.exchanges[0], "slowly");
  CHECK(world.until_received(*slow, "slowly"));
  CHECK(world.until([&] { return world.transport->open_exchanges() == 0; }));
}

TEST_CASE("HttpServer: a large answer arrives whole") {
  HttpWorld world;
  const auto client = world.connect();
  client->send(post("{}"));
  REQUIRE(world.until_requests());
  std::string large(20u << 20, 'x');
  large += "the end";
  say(*world.exchanges[0], large);
  REQUIRE(world.until_received(*client, "the end"));
  CHECK(client->body().size() == large.size());
}

TEST_CASE("HttpServer: a client that goes before its answer is told of, once") {
  HttpWorld world;
  const auto client = world.connect();
  client->send(post("{}"));
  REQUIRE(world.until_requests());
  int gone = 0;
  world.exchanges[0]->on_gone([&gone] { ++gone; });
  const bool half = GENERATE(false, true);
  if (half) {
    client->close_sending();
  } else {
    client->leave();
  }
  REQUIRE(world.until([&gone] { return gone > 0; }));
  CHECK(world.exchanges[0]->is_gone());
  CHECK(world.exchanges[0]->request().body == "{}");
  CHECK_FALSE(world.exchanges[0]->request().header("Host"));
  say(*world.exchanges[0], "nobody hears it");
  world.exchanges.clear();
  CHECK(world.until([&world] { return world.transport->connections() == 0; }));
  CHECK(gone == 1);
  CHECK(world.transport->open_exchanges() == 0);
}

TEST_CASE(
    "HttpServer: a client that sends no more right after its request gets an answer given at "
    "once") {
  HttpWorld world;
  world.answer = [](const auto& exchange) { say(*exchange, "healthy"); };
  const auto client = world.connect();
  client->send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  client->close_sending();
  CHECK(world.until_received(*client, "healthy"));
}

TEST_CASE("HttpServer: an exchange that is let go is answered, and the server goes on") {
  HttpWorld world;
  world.answer = [](const auto&) {};
  const auto client = world.connect();
  client->send(post("{}"));
  REQUIRE(world.until_closed(*client));
  CHECK(client->status() == 500);
  world.answer = nullptr;
  const auto other = world.connect();
  other->send(post("{}"));
  REQUIRE(world.until_requests());
  world.exchanges.clear();
  REQUIRE(world.until_closed(*other));
  CHECK(other->status() == 500);
}

TEST_CASE("HttpServer: who is told that a client has gone may let go of the exchange") {
  HttpWorld world;
  const auto client = world.connect();
  client->send(post("{}"));
  REQUIRE(world.until_requests());
  world.exchanges[0]->on_gone([&world] { world.exchanges.clear(); });
  client->leave();
  CHECK(world.until([&world] { return world.exchanges.empty(); }));
}

TEST_CASE("HttpServer: a line's end in a field of an answer can't begin another") {
  HttpWorld world;
  const auto client = world.connect();
  client->send(post("{}"));
  REQUIRE(world.until_requests());
  world.exchanges[0]->respond(200, {{"X-A", "1\r\nX-Evil: 2"}, {"X-B", "3"}}, "done");
  REQUIRE(world.until_received(*client, "done"));
  CHECK(client->head().find("X-Evil") == std::string::npos);
  CHECK(client->head().find("X-B: 3") != std::string::npos);
}

TEST_CASE("HttpServer: a server that ends tells those who answer") {
  HttpWorld world;
  const auto waiting = world.connect();
  const auto streaming = world.connect();
  const auto half = world.connect();
  waiting->send(post("one") + post("sent behind"));
  REQUIRE(world.until_requests(1));
  streaming->send(post("two"));
  REQUIRE(world.until_requests(2));
  half->send("POST /mcp HTT");
  world.exchanges[1]->begin_stream(200, {});
  REQUIRE(world.until_received(*streaming, "\r\n\r\n"));
  int gone = 0;
  for (const auto& exchange : world.exchanges) exchange->on_gone([&gone] { ++gone; });
  world.transport.reset();
  CHECK(gone == 2);
  CHECK(world.exchanges.size() == 2);
  say(*world.exchanges[0], "too late");
  world.exchanges[1]->write("too late");
  CHECK(world.until_closed(*waiting));
  CHECK(world.until_closed(*streaming));
  CHECK(world.until_closed(*half));
}

TEST_CASE("HttpServer: responses are counted by their status, the server's own too") {
  HttpWorld world([](HttpListen& listen) { listen.body_bytes = 10; });
  world.answer = [](std::shared_ptr<mcp::HttpExchange> exchange) {
    exchange->respond(exchange->request().body == "no" ? 403 : 200, {}, "said");
  };
  const auto client = world.connect();
  CHECK(world.transport->responses().empty());
  world.ask(*client, post("yes"));
  world.ask(*client, post("yes"));
  world.ask(*client, post("no"));
  world.ask(*client, post("more than ten"));  // refused before anybody is asked
  CHECK(world.transport->responses() == HttpTransport::Responses{{200, 2}, {403, 1}, {413, 1}});
}
