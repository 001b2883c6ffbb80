#include "host/http/http_front.h"

#include "base/sha256.h"
#include "host/http/gate/token_file.h"
#include "support/catch.h"
#include "support/fake_exchange.h"
#include "workspace_fixture.h"

using namespace pyember;
using namespace pyember::host;
using namespace std::chrono_literals;
using mcp::Json;
using test::FakeExchange;

namespace {

constexpr const char* kVersion = "2026-07-28";

// Hands requests over as the sockets' side would.
class FakeTransport final : public HttpTransport {
 public:
  struct State {
    Handler handler;
    bool listening = true;
    bool closes_idle = false;
    std::size_t open = 0;
    std::size_t streams = 0;
    Responses responses;
  };
  explicit FakeTransport(std::shared_ptr<State> state) : state_(std::move(state)) {}

  void stop_listening() override { state_->listening = false; }
  void close_idle() override { state_->closes_idle = true; }
  std::size_t connections() const override { return 0; }
  std::size_t open_exchanges() const override { return state_->open; }
  std::size_t open_streams() const override { return state_->streams; }
  const Responses& responses() const override { return state_->responses; }

 private:
  const std::shared_ptr<State> state_;  // shared with the test
};

// A file of tokens, one for each of these callers.
class Tokens {
 public:
  explicit Tokens(std::string path) : file_(std::move(path)) {}

  std::string add(const std::string& name, const std::string& scope = "tools:*") {
    const std::string token = make_token();
    REQUIRE(file_.change([&](std::vector<AccessToken>& all) -> Result<void> {
      all.push_back({sha256_hex(name).substr(0, 8), name, sha256_hex(token), {scope}, 0, 0});
      return {};
    }));
    return token;
  }
  void remove(const std::string& name) {
    REQUIRE(file_.change([&](std::vector<AccessToken>& all) -> Result<void> {
      std::erase_if(all, [&](const AccessToken& each) { return each.name == name; });
      return {};
    }));
  }
  const std::string& path() const { return file_.path(); }

 private:
  const TokenFile file_;
};

struct Served : WorkspaceFixture {
  HttpOptions http;
  std::string token;  // sent with requests; empty: none
  std::shared_ptr<FakeTransport::State> transport = std::make_shared<FakeTransport::State>();
  journal::Journal journal{memory};
  HttpFront front{
      HttpFront::Parts{loop, journal, [this]() -> Workspaces& { return workspaces; }, &metrics},
      http, module()};

  static HttpOptions with_tokens(const std::string& file) {
    HttpOptions options;
    options.gate.token_file = file;
    return options;
  }
  HttpFront::Module module() {
    HttpFront::Module module;
    module.listen = [this](
                        HttpListen,
                        HttpTransport::Handler handler) -> Result<std::unique_ptr<HttpTransport>> {
      transport->handler = std::move(handler);
      return std::unique_ptr<HttpTransport>(new FakeTransport(transport));
    };
    return module;
  }
  explicit Served(const std::string& token_file = {}) : http(with_tokens(token_file)) {
    front.follows_another();
    REQUIRE(front.start());
  }

  std::shared_ptr<FakeExchange> send(std::string method, std::string path, std::string body,
                                     mcp::HttpFields fields) {
    fields.push_back({"Host", "localhost:8000"});
    if (!token.empty()) fields.push_back({"Authorization", "Bearer " + token});
    auto exchange =
        std::make_shared<FakeExchange>(std::move(method), std::move(body), std::move(fields));
    exchange->set_path(std::move(path));
    transport->handler(exchange);
    return exchange;
  }
  std::shared_ptr<FakeExchange> request(const std::string& method, Json params = Json::object()) {
    params["_meta"] = {{"io.modelcontextprotocol/protocolVersion", kVersion},
                       {"io.modelcontextprotocol/clientCapabilities", Json::object()}};
    mcp::HttpFields fields{{"Content-Type", "application/json"},
                           {"Accept", "application/json, text/event-stream"},
                           {"MCP-Protocol-Version", kVersion},
                           {"Mcp-Method", method}};
    if (params.contains("name")) fields.push_back({"Mcp-Name", params["name"].get<std::string>()});
    const Json message{{"jsonrpc", "2.0"}, {"id", 1}, {"method", method}, {"params", params}};
    return send("POST", "/mcp", mcp::to_json_text(message), std::move(fields));
  }
  std::shared_ptr<FakeExchange> run(const std::string& code) {
    return request("tools/call", {{"name", "run_python"}, {"arguments", {{"code", code}}}});
  }
};

}  // namespace

TEST_CASE("HttpFront: a call goes to the caller's workspace, and its answer comes back") {
  Served server;
  const auto call = server.run("print hello");
  REQUIRE(server.until([&] { return call->over; }));
  CHECK(call->status == 200);
  CHECK(call->json()["result"]["structuredContent"]["stdout"] == "hello\n");
  CHECK(server.workspaces.local().registry().sessions().size() == 1);
}

TEST_CASE("HttpFront: there is the endpoint, a sign of life, and nothing else") {
  Served server;
  CHECK(server.send("GET", "/healthz", "", {})->status == 200);
  CHECK(server.send("GET", "/", "", {})->status == 404);
  CHECK(server.send("POST", "/mcp/", "{}", {})->status == 404);
}

TEST_CASE("HttpFront: a name that is not this machine's is refused before anything else") {
  Served server;
  auto exchange =
      std::make_shared<FakeExchange>("GET", "", mcp::HttpFields{{"Host", "evil.example"}});
  exchange->set_path("/healthz");
  server.transport->handler(exchange);
  CHECK(exchange->status == 403);
}

TEST_CASE("HttpFront: when the server ends, nobody new is let in and what runs is answered") {
  Served server;
  const auto call = server.run("sleep 300\nprint done");
  server.turn_for(20ms);
  CHECK(server.front.begun() == 1);
  server.front.close();
  CHECK_FALSE(server.transport->listening);
  CHECK(server.transport->closes_idle);
  const auto late = server.run("print late");
  CHECK(late->status == 503);
  REQUIRE(server.until([&] { return call->over; }));
  CHECK(call->json()["result"]["structuredContent"]["stdout"] == "done\n");
  CHECK(server.front.begun() == 0);
}

TEST_CASE("HttpFront: a client that goes away has its call cancelled, and its session stays") {
  Served server;
  const auto call = server.run("sleep 60000");
  server.turn_for(20ms);
  CHECK(server.front.begun() == 1);
  call->go_away();
  CHECK(server.until([&] { return server.front.begun() == 0; }));
  const auto next = server.run("print still here");
  REQUIRE(server.until([&] { return next->over; }));
  CHECK(next->json()["result"]["structuredContent"]["stdout"] == "still here\n");
}

TEST_CASE("HttpFront: the local workspace is never given up") {
  Served server;
  const auto call = server.run("print 1");
  REQUIRE(server.until([&] { return call->over; }));
  server.front.tick(now_ns() + 48ull * 3600 * 1'000'000'000);
  CHECK(server.workspaces.count() == 1);
}

TEST_CASE("HttpFront: a server after another one knows it") {
  Served server;
  CHECK(server.front.follows_another());
}

TEST_CASE("HttpFront: callers with tokens have workspaces of their own, given up when left alone") {
  StateFolder folder;
  Tokens tokens(folder.path() + "/tokens.json");
  const std::string alice = tokens.add("alice");
  const std::string bob = tokens.add("bob");
  Served server(tokens.path());
  CHECK(server.run("print nobody")->status == 401);

  server.token = alice;
  const auto call = server.run("print hers");
  REQUIRE(server.until([&] { return call->over; }));
  server.token = bob;
  const auto list = server.request("tools/list");
  CHECK(list->status == 200);
  CHECK(server.workspaces.count() == 2);

  const std::uint64_t later = now_ns() + 2 * 600ull * 1'000'000'000;
  server.front.tick(later);
  CHECK(server.workspaces.count() == 1);  // hers, which holds a session
  server.token = alice;
  const auto again = server.run("print hers");
  REQUIRE(server.until([&] { return again->over; }));
  CHECK(again->json()["result"]["structuredContent"]["cell"] == 2);
}

TEST_CASE("HttpFront: a stream is cut off when its caller's token is taken away") {
  StateFolder folder;
  Tokens tokens(folder.path() + "/tokens.json");
  Served server(tokens.path());
  server.token = tokens.add("alice");
  const auto stream =
      server.request("subscriptions/listen", {{"notifications", {{"toolsListChanged", true}}}});
  REQUIRE(stream->streams);
  server.front.tick(now_ns());
  CHECK(stream.use_count() > 1);
  tokens.remove("alice");
  CHECK(server.until([&] {
    server.front.tick(now_ns());
    return stream.use_count() == 1;  // let go of, which breaks it off
  }));
}

// --- health --------------------------------------------------------------------------------------

TEST_CASE("HttpFront: a server that runs no code, or ends, is not healthy") {
  Served server;
  CHECK(server.send("GET", "/healthz", "", {})->status == 200);
  SECTION("without an interpreter") { server.workspaces.refuse("There is no Python."); }
  SECTION("at its end") { server.front.close(); }
  const auto told = server.send("GET", "/healthz", "", {});
  CHECK(told->status == 503);
  CHECK(told->json()["status"] == "unavailable");
}

// --- numbers -------------------------------------------------------------------------------------

TEST_CASE("HttpFront: who may come in without a token sees the server's numbers") {
  Served server;
  server.transport->open = 3;
  server.transport->streams = 2;
  server.transport->responses = {{200, 5}};
  const auto call = server.run("print 1");
  REQUIRE(server.until([&] { return call->over; }));
  const auto scrape = server.send("GET", "/metrics", "", {});
  CHECK(scrape->status == 200);
  CHECK(scrape->field("Content-Type") == "text/plain; version=0.0.4; charset=utf-8");
  for (const char* line :
       {"pyember_tool_calls_total{tool=\"run_python\",outcome=\"ok\"} 1\n",
        "pyember_sessions{isolation=\"inprocess\"} 1\n", "pyember_http_requests_in_flight 3\n",
        "pyember_http_streams 2\n", "pyember_http_responses_total{code=\"200\"} 5\n"}) {
    INFO(line);
    CHECK(scrape->body.find(line) != std::string::npos);
  }
}

TEST_CASE("HttpFront: the numbers are only read") {
  Served server;
  const auto refused = server.send("POST", "/metrics", "{}", {});
  CHECK(refused->status == 405);
  CHECK(refused->field("Allow") == "GET, HEAD");
}

TEST_CASE("HttpFront: with tokens the numbers are for those with their own scope") {
  StateFolder folder;
  Tokens tokens(folder.path() + "/tokens.json");
  const std::string alice = tokens.add("alice");
  const std::string watcher = tokens.add("watcher", "metrics");
  Served server(tokens.path());
  CHECK(server.send("GET", "/metrics", "", {})->status == 401);

  server.token = alice;
  const auto call = server.run("print hers");
  REQUIRE(server.until([&] { return call->over; }));
  const auto refused = server.send("GET", "/metrics", "", {});
  CHECK(refused->status == 403);
  CHECK(refused->field("WWW-Authenticate")->find("scope=\"tools:* metrics\"") != std::string::npos);

  server.token = watcher;
  const auto scrape = server.send("GET", "/metrics", "", {});
  CHECK(scrape->status == 200);
  CHECK(scrape->body.find("pyember_sessions{isolation=\"inprocess\"} 1\n") != std::string::npos);
  CHECK(scrape->body.find("alice") == std::string::npos);
  CHECK(server.request("tools/call", {{"name", "run_python"}, {"arguments", {{"code", "1"}}}})
            ->status == 403);
}
