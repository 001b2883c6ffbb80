// What clients send, and what becomes of it: whole requests, and what is none.
#include "http_transport/http_world.h"

#include <fmt/format.h>

#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;
using mcp::HttpExchange;

namespace {

using Exchange = std::shared_ptr<HttpExchange>;

void echo(const Exchange& exchange) { say(*exchange, "<" + exchange->request().body + ">"); }

}  // namespace

TEST_CASE("HttpServer: a request arrives with its method, path, query, fields and body") {
  HttpWorld world;
  const auto client = world.connect();
  client->send(
      "PUT /a%20b/../c?x=1&y=%41 HTTP/1.1\r\nHost: example.org\r\nX-Twice: one\r\nx-twice:  two "
      "\r\nContent-Length: 5\r\n\r\nhello");
  REQUIRE(world.until_requests());
  const mcp::HttpRequest& request = world.exchanges[0]->request();
  CHECK(request.method == "PUT");
  CHECK(request.path == "/a%20b/../c");
  CHECK(request.query == "x=1&y=%41");
  CHECK(request.body == "hello");
  CHECK(request.peer == "127.0.0.1");
  CHECK_FALSE(request.tls);
  CHECK(request.header("HOST") == "example.org");
  CHECK(request.header("X-Twice") == "one, two");
  CHECK_FALSE(request.header("X-Missing"));
}

TEST_CASE("HttpServer: a response has its status, its fields and its body") {
  HttpWorld world;
  const auto client = world.connect();
  client->send(post("{}"));
  REQUIRE(world.until_requests());
  world.exchanges[0]->respond(202, {{"X-One", "1"}, {"Content-Type", "text/plain"}}, "done");
  REQUIRE(world.until_received(*client, "done"));
  CHECK(client->status() == 202);
  CHECK(client->head().find("X-One: 1") != std::string::npos);
  CHECK(client->head().find("Content-Length: 4") != std::string::npos);
  CHECK(client->body() == "done");
}

TEST_CASE("HttpServer: a connection is used again, whatever the requests are") {
  HttpWorld world;
  world.answer = echo;
  const auto client = world.connect();
  for (int i = 0; i < 20; ++i) {
    const std::string body(static_cast<std::size_t>(i) * 1000, 'x');
    client->forget();
    client->send(post(body));
    REQUIRE(world.until_received(*client, "<" + body + ">"));
  }
  CHECK_FALSE(client->is_closed());
  CHECK(world.transport->connections() == 1);
}

TEST_CASE("HttpServer: requests sent at once are answered in their order") {
  HttpWorld world;
  const auto client = world.connect();
  client->send(post("one") + post("two") + post("three"));
  for (const std::string body : {"one", "two", "three"}) {
    REQUIRE(world.until([&] { return !world.exchanges.empty(); }));
    REQUIRE(world.exchanges.size() == 1);  // the next one waits for this one's answer
    const Exchange exchange = world.exchanges[0];
    world.exchanges.clear();
    CHECK(exchange->request().body == body);
    say(*exchange, "to " + body);
    REQUIRE(world.until_received(*client, "to " + body));
  }
  CHECK(client->count("HTTP/1.1 200") == 3);
}

TEST_CASE("HttpServer: a thousand requests sent at once cost no time between them") {
  HttpWorld world;
  world.answer = echo;
  const auto client = world.connect();
  std::string all;
  for (int i = 0; i < 1000; ++i) all += post("x");
  std::string_view rest = all;
  REQUIRE(world.until([&] {
    rest.remove_prefix(client->send_some(rest));
    return client->count("<x>") == 1000;
  }));
}

TEST_CASE("HttpServer: a body in chunks is put together") {
  HttpWorld world;
  world.answer = echo;
  const auto client = world.connect();
  const std::string head =
      "POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
  SECTION("at once") {
    client->send(head + "5\r\nhello\r\n1;name=value\r\n \r\n6\r\nthere!\r\n0\r\n\r\n");
  }
  SECTION("with a trailer") { client->send(head + "c\r\nhello there!\r\n0\r\nX-Sum: 1\r\n\r\n"); }
  SECTION("byte by byte") {
    for (const char letter : head + "5\r\nhello\r\n7\r\n there!\r\n0\r\n\r\n") {
      client->send(std::string(1, letter));
      world.turn_for(std::chrono::milliseconds(1));
    }
  }
  REQUIRE(world.until_received(*client, "<hello there!>"));
  CHECK(client->status() == 200);
  client->forget();
  client->send(post("again"));
  CHECK(world.until_received(*client, "<again>"));
}

TEST_CASE("HttpServer: a client that asks whether to go on is told to") {
  HttpWorld world;
  world.answer = echo;
  const auto client = world.connect();
  client->send(
      "POST /mcp HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  REQUIRE(world.until_received(*client, "HTTP/1.1 100 Continue\r\n\r\n"));
  client->send("hello");
  CHECK(world.until_received(*client, "<hello>"));
}

TEST_CASE("HttpServer: a client that asks whether to go on is told when its body is too large") {
  HttpWorld world([](HttpListen& listen) { listen.body_bytes = 1000; });
  const auto client = world.connect();
  client->send(
      "POST /mcp HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: "
      "1001\r\n\r\n");
  REQUIRE(world.until_closed(*client));
  CHECK(client->status() == 413);
}

TEST_CASE("HttpServer: an older client is answered, and the connection closed") {
  HttpWorld world;
  world.answer = echo;
  const auto client = world.connect();
  client->send("POST /mcp HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi");
  REQUIRE(world.until_closed(*client));
  CHECK(client->body() == "<hi>");
}

TEST_CASE("HttpServer: an answer to HEAD has no body") {
  HttpWorld world;
  world.answer = echo;
  const auto client = world.connect();
  client->send("HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" + post("next"));
  REQUIRE(world.until_received(*client, "<next>"));
  CHECK(client->count("<>") == 0);
}

TEST_CASE("HttpServer: a whole URL is taken apart") {
  HttpWorld world;
  const auto client = world.connect();
  client->send("GET http://localhost:80/mcp?q HTTP/1.1\r\nHost: localhost:80\r\n\r\n");
  REQUIRE(world.until_requests());
  CHECK(world.exchanges[0]->request().path == "/mcp");
  CHECK(world.exchanges[0]->request().query == "q");
}

TEST_CASE(
    "HttpServer: what is no HTTP, or could be read in two ways, is refused and the connection "
    "closed") {
  struct Case {
    const char* what;
    std::string request;
    int status;
  };
  const std::string start = "POST /mcp HTTP/1.1\r\nHost: localhost\r\n";
  const auto [what, request, status] = GENERATE_COPY(values<Case>({
      {"two lengths", start + "Content-Length: 3\r\nContent-Length: 5\r\n\r\nhello", 400},
      {"two equal lengths", start + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400},
      {"a list of lengths", start + "Content-Length: 5, 5\r\n\r\nhello", 400},
      {"a length and chunks",
       start + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"a negative length", start + "Content-Length: -5\r\n\r\nhello", 400},
      {"a length with more", start + "Content-Length: 5x\r\n\r\nhello", 400},
      {"a length beyond all", start + "Content-Length: 99999999999999999999\r\n\r\nhello", 413},
      {"an unknown coding", start + "Transfer-Encoding: gzip\r\n\r\nhello", 501},
      {"two codings", start + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
      {"the coding twice",
       start + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 501},
      {"a chunk without a size", start + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400},
      {"a chunk beyond all", start + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
       413},
      {"no host", "POST /mcp HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 400},
      {"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"another host in the URL", "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", 400},
      {"a blank before the colon", start + "Content-Length : 0\r\n\r\n", 400},
      {"a blank in a name", start + "X Y: 1\r\n\r\n", 400},
      {"no colon", start + "Nothing\r\n\r\n", 400},
      {"a control character in a value", start + "X-A: a\x01z\r\n\r\n", 400},
      {"a return within a value", start + "X-A: a\rX-B: b\r\n\r\n", 400},
      {"a control character in the URL", "GET /a\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"a blank in the URL", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"no method", "(x) / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"another version", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
      {"an old version", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505},
      {"no version", "GET /\r\nHost: a\r\n\r\n", 400},
      {"lower case", "GET / http/1.1\r\nHost: a\r\n\r\n", 400},
  }));
  INFO(what);
  HttpWorld world;
  world.answer = echo;
  const auto client = world.connect();
  client->send(request);
  REQUIRE(world.until_closed(*client));
  CHECK(client->status() == status);
  CHECK(client->count("HTTP/1.1 200") == 0);
}

TEST_CASE("HttpServer: noise is closed without an answer to anybody else") {
  HttpWorld world;
  world.answer = echo;
  const auto noisy = world.connect();
  const auto other = world.connect();
  const std::string noise =
      GENERATE(as<std::string>(), "\x16\x03\x01\x02 hello of TLS \r\n", "GARBAGE\r\n\r\n",
               "{\"jsonrpc\":\"2.0\"}\n", std::string(100'000, 'A'));
  noisy->send(noise);
  CHECK(world.ask(*other, post("ok")).find("<ok>") != std::string::npos);
  CHECK(world.until_closed(*noisy));
  CHECK(noisy->count(" 200 ") == 0);
}

TEST_CASE("HttpServer: a head up to the bound is taken, and a larger one refused") {
  HttpWorld world;
  world.answer = echo;
  const auto client = world.connect();
  const std::string start = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nX-A: ";
  const std::size_t room = limits::kServedHeadBytes - start.size() - 4;
  SECTION("as large as may be") {
    CHECK(world.ask(*client, start + std::string(room, 'a') + "\r\n\r\nhi").find("<hi>") !=
          std::string::npos);
    CHECK(world.ask(*client, post("again")).find("<again>") != std::string::npos);
    CHECK_FALSE(client->is_closed());
  }
  SECTION("of many fields") {
    std::string fields;
    for (int i = 0; i < 100; ++i) fields += fmt::format("X-Field-{}: value of it\r\n", i);
    CHECK(world.ask(*client, post("hi", fields)).find("<hi>") != std::string::npos);
  }
  SECTION("a byte more") {
    client->send(start + std::string(room + 1, 'a') + "\r\n\r\nhi");
    REQUIRE(world.until_closed(*client));
    CHECK(client->status() == 431);
  }
  SECTION("beyond all") {
    client->send(start + std::string(1 << 20, 'a'));
    REQUIRE(world.until_closed(*client));
    CHECK((client->status() == 431 || client->status() == 0));
  }
  SECTION("of nothing but fields") {
    std::string fields;
    for (int i = 0; i < 20'000; ++i) fields += "a:b\r\n";
    client->send(post("hi", fields));
    REQUIRE(world.until_closed(*client));
    CHECK((client->status() == 431 || client->status() == 0));
  }
  SECTION("a long target") {
    client->send("GET /" + std::string(30'000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n");
    REQUIRE(world.until_closed(*client));
    CHECK((client->status() == 414 || client->status() == 431));
  }
}

TEST_CASE("HttpServer: a body up to the bound is taken, and a larger one refused") {
  HttpWorld world([](HttpListen& listen) { listen.body_bytes = 100'000; });
  world.answer = [](const Exchange& exchange) {
    say(*exchange, fmt::format("{} bytes", exchange->request().body.size()));
  };
  const auto client = world.connect();
  SECTION("as large as may be") {
    CHECK(world.ask(*client, post(std::string(100'000, 'x'))).find("100000 bytes") !=
          std::string::npos);
  }
  SECTION("announced") {
    client->send(post(std::string(100'001, 'x')));
    REQUIRE(world.until_closed(*client));
    CHECK(client->status() == 413);
  }
  SECTION("in chunks") {
    client->send("POST /mcp HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n186a1\r\n" +
                 std::string(100'001, 'x') + "\r\n0\r\n\r\n");
    REQUIRE(world.until_closed(*client));
    CHECK(client->status() == 413);
  }
  SECTION("in chunks, without an end") {
    std::string chunk = "10000\r\n" + std::string(65'536, 'x') + "\r\n";
    client->send("POST /mcp HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    std::string_view rest = chunk;
    CHECK(world.until([&] {
      rest.remove_prefix(client->send_some(rest));
      if (rest.empty()) rest = chunk;
      return client->is_closed();
    }));
  }
}

TEST_CASE("HttpServer: bodies that fill the memory for all are refused until there is room") {
  HttpWorld world([](HttpListen& listen) { listen.bodies_bytes = 100'000; });
  const auto first = world.connect();
  const auto second = world.connect();
  first->send(post(std::string(90'000, 'x')));
  REQUIRE(world.until_requests());
  second->send(post(std::string(20'000, 'x')));
  REQUIRE(world.until_closed(*second));
  CHECK(second->status() == 503);
  CHECK(second->head().find("Retry-After: 1") != std::string::npos);
  say(*world.exchanges[0], "done");
  REQUIRE(world.until_received(*first, "done"));
  const auto third = world.connect();
  third->send(post(std::string(20'000, 'x')));
  CHECK(world.until_requests(2));
}
