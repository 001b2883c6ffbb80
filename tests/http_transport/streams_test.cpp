// Responses whose body comes in pieces.
#include "http_transport/http_world.h"

#include <malloc.h>
#include <sys/resource.h>

#include <fstream>

#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;
using namespace std::chrono_literals;

namespace {

constexpr const char* kGet = "GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n";

// A stream that has begun.
std::shared_ptr<mcp::HttpExchange> begun(HttpWorld& world, RawClient& client) {
  client.send(kGet);
  REQUIRE(world.until([&] { return !world.exchanges.empty(); }));
  const auto exchange = world.exchanges.back();
  world.exchanges.clear();
  exchange->begin_stream(200, {{"Content-Type", "text/event-stream"}});
  REQUIRE(world.until_received(client, "\r\n\r\n"));
  return exchange;
}

std::size_t resident_kilobytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word == "VmRSS:") {
      std::size_t kilobytes = 0;
      status >> kilobytes;
      return kilobytes;
    }
  }
  return 0;
}

}  // namespace

TEST_CASE("HttpServer: a stream's head and each of its pieces are sent at once") {
  HttpWorld world;
  const auto client = world.connect();
  const auto stream = begun(world, *client);
  CHECK(client->head().find("Content-Type: text/event-stream") != std::string::npos);
  CHECK(client->head().find("Transfer-Encoding: chunked") != std::string::npos);
  for (const std::string piece : {"data: one\n\n", "data: two\n\n", "data: three\n\n"}) {
    stream->write(std::string(piece));
    REQUIRE(world.until_received(*client, piece));
    CHECK(stream->pending_bytes() == 0);
  }
  stream->end();
  REQUIRE(world.until_received(*client, "0\r\n\r\n"));
  CHECK(client->body() ==
        "B\r\ndata: one\n\n\r\nB\r\ndata: two\n\n\r\nD\r\ndata: three\n\n\r\n0\r\n\r\n");
  client->forget();
  client->send(post("next"));
  CHECK(world.until_requests());
}

TEST_CASE("HttpServer: what is written at once before a turn is sent whole") {
  HttpWorld world;
  world.answer = [](const auto& exchange) {
    exchange->begin_stream(200, {});
    exchange->write("one ");
    exchange->write("two ");
    exchange->write(std::string());
    exchange->write("three");
    exchange->end();
  };
  const auto client = world.connect();
  client->send(kGet);
  REQUIRE(world.until_received(*client, "0\r\n\r\n"));
  CHECK(client->body() == "D\r\none two three\r\n0\r\n\r\n");
}

TEST_CASE("HttpServer: a stream to an older client ends with the connection") {
  HttpWorld world;
  world.answer = [](const auto& exchange) {
    exchange->begin_stream(200, {});
    exchange->write("all of it");
    exchange->end();
  };
  const auto client = world.connect();
  client->send("GET /mcp HTTP/1.0\r\n\r\n");
  REQUIRE(world.until_closed(*client));
  CHECK(client->body() == "all of it");
}

TEST_CASE("HttpServer: a stream that is let go is cut off without its end") {
  HttpWorld world;
  const auto client = world.connect();
  auto stream = begun(world, *client);
  stream->write("data: one\n\n");
  REQUIRE(world.until_received(*client, "data: one"));
  stream.reset();
  REQUIRE(world.until_closed(*client));
  CHECK(client->count("0\r\n\r\n") == 0);
}

TEST_CASE("HttpServer: a client that leaves its stream is told of, once") {
  HttpWorld world;
  const auto client = world.connect();
  const auto stream = begun(world, *client);
  int gone = 0;
  stream->on_gone([&gone] { ++gone; });
  SECTION("between two pieces") { client->leave(); }
  SECTION("while pieces come") {
    stream->write(std::string(1 << 20, 'x'));
    client->leave();
    stream->write(std::string(1 << 20, 'x'));
  }
  REQUIRE(world.until([&gone] { return gone > 0; }));
  CHECK(stream->is_gone());
  stream->write("nobody hears it");
  stream->end();
  CHECK(world.until([&world] { return world.transport->connections() == 0; }));
  CHECK(gone == 1);
}

TEST_CASE("HttpServer: a stream that has ended is not told of when its client leaves") {
  HttpWorld world;
  const auto client = world.connect();
  const auto stream = begun(world, *client);
  int gone = 0;
  stream->on_gone([&gone] { ++gone; });
  stream->end();
  REQUIRE(world.until_received(*client, "0\r\n\r\n"));
  client->leave();
  REQUIRE(world.until([&world] { return world.transport->connections() == 0; }));
  CHECK(gone == 0);
  CHECK_FALSE(stream->is_gone());
}

TEST_CASE("HttpServer: a client that lets too much pile up is cut off") {
  HttpWorld world([](HttpListen& listen) { listen.pending_bytes = 1 << 20; });
  const auto client = world.connect();
  client->take_little();
  const auto stream = begun(world, *client);
  int gone = 0;
  stream->on_gone([&gone] { ++gone; });
  std::size_t most = 0;
  for (int i = 0; i < 20'000 && gone == 0; ++i) {
    stream->write(std::string(4096, 'x'));
    most = std::max(most, stream->pending_bytes());
    world.loop.run_ready();
  }
  CHECK(world.until([&gone] { return gone == 1; }));
  CHECK(most <= (1 << 20) + 4096);
  CHECK(world.until([&world] { return world.transport->connections() == 0; }));
}

TEST_CASE("HttpServer: a client that takes nothing for a while is cut off") {
  HttpWorld world([](HttpListen& listen) { listen.write_time = 50ms; });
  const auto client = world.connect();
  client->take_little();
  const auto stream = begun(world, *client);
  int gone = 0;
  stream->on_gone([&gone] { ++gone; });
  stream->write(std::string(8u << 20, 'x'));
  CHECK(world.until([&gone] { return gone == 1; }));
}

TEST_CASE("HttpServer: a client that takes a little now and then gets all of it") {
  HttpWorld world([](HttpListen& listen) { listen.write_time = 3s; });
  const auto client = world.connect();
  const auto stream = begun(world, *client);
  stream->write(std::string(24u << 20, 'x') + "the end");
  stream->end();
  for (int i = 0; i < 6; ++i) {
    world.turn_for(800ms);
    client->received();
  }
  CHECK(world.until_received(*client, "the end"));
}

TEST_CASE("HttpServer: an idle stream is not cut off, however long it says nothing") {
  HttpWorld world([](HttpListen& listen) {
    listen.write_time = 1ms;
    listen.idle_time = 1ms;
    listen.request_time = 1ms;
  });
  const auto client = world.connect();
  const auto stream = begun(world, *client);
  world.turn_for(2500ms);
  stream->write("still here");
  CHECK(world.until_received(*client, "still here"));
}

TEST_CASE("HttpServer: a thousand idle streams cost little memory, and hear at once [slow]") {
  rlimit descriptors{};
  getrlimit(RLIMIT_NOFILE, &descriptors);
  if (descriptors.rlim_max < 4096) {
    WARN("the limit of descriptors is too low for a thousand clients in one process");
    return;
  }
  constexpr std::size_t kStreams = 1000;
  HttpWorld world;  // raises the soft limit
  std::vector<std::unique_ptr<RawClient>> clients;
  std::vector<std::shared_ptr<mcp::HttpExchange>> streams;
  {  // what is needed for the first one at all
    const auto first = world.connect();
    begun(world, *first)->end();
  }
  malloc_trim(0);  // what other tests have left is not taken for these
  const std::size_t before = resident_kilobytes();
  for (std::size_t i = 0; i < kStreams; ++i) {
    clients.push_back(world.connect());
    clients.back()->send(post("{}"));  // a connection that has been used: its memory was touched
    REQUIRE(world.until([&] { return !world.exchanges.empty(); }));
    say(*world.exchanges.back(), "done");
    world.exchanges.clear();
    REQUIRE(world.until_received(*clients.back(), "done"));
    clients.back()->forget();
    streams.push_back(begun(world, *clients.back()));
    clients.back()->forget();
  }
  const std::size_t kilobytes = resident_kilobytes() - before;
  INFO("kilobytes of a thousand streams: " << kilobytes);
#ifndef PYEMBER_SANITIZED
  CHECK(kilobytes < 30 * kStreams);  // 40 with all that a listening client of MCP has
#endif
  const std::string message = "data: {\"method\":\"notifications/tools/list_changed\"}\n\n";
  for (const auto& stream : streams) stream->write(std::string(message));
  std::size_t reached = 0;
  REQUIRE(world.until([&] {
    while (reached < kStreams &&
           clients[reached]->received().find("changed") != std::string::npos) {
      ++reached;
    }
    return reached == kStreams;
  }));
  for (const auto& stream : streams) stream->end();
  clients.clear();
  CHECK(world.until([&world] { return world.transport->connections() == 0; }));
}

TEST_CASE("HttpServer: a stream is open until it has ended, or its client has gone") {
  HttpWorld world;
  const auto stays = world.connect();
  const auto leaves = world.connect();
  const auto first = begun(world, *stays);
  const auto second = begun(world, *leaves);
  CHECK(world.transport->open_streams() == 2);
  leaves->leave();
  CHECK(world.until([&] { return world.transport->open_streams() == 1; }));
  first->end();
  CHECK(world.until([&] { return world.transport->open_streams() == 0; }));
  CHECK(world.transport->responses() == HttpTransport::Responses{{200, 2}});
}
