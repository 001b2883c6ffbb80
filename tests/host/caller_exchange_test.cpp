#include "host/http/caller_exchange.h"

#include "support/catch.h"
#include "support/fake_exchange.h"

using namespace pyember;
using namespace pyember::host;
using test::FakeExchange;

namespace {

struct Exchange {
  std::shared_ptr<FakeExchange> inner =
      std::make_shared<FakeExchange>("POST", "{}", mcp::HttpFields{});
  std::vector<std::shared_ptr<CallerExchange>> streams;
  std::shared_ptr<CallerExchange> outer = std::make_shared<CallerExchange>(
      inner, Caller{.principal = "alice"}, mcp::HttpFields{{"Vary", "Origin"}},
      [this](const std::shared_ptr<CallerExchange>& stream) { streams.push_back(stream); });
};

}  // namespace

TEST_CASE("CallerExchange: what the gate adds stands in every response") {
  Exchange exchange;
  exchange.outer->respond(200, {{"Content-Type", "application/json"}}, "{}");
  CHECK(exchange.inner->field("Vary") == "Origin");
  CHECK(exchange.inner->field("Content-Type") == "application/json");
  CHECK(exchange.inner->body == "{}");
  CHECK(exchange.streams.empty());
}

TEST_CASE("CallerExchange: a stream is told of when it begins") {
  Exchange exchange;
  exchange.outer->begin_stream(200, {});
  REQUIRE(exchange.streams.size() == 1);
  CHECK(exchange.streams[0]->caller().principal == "alice");
}

TEST_CASE("CallerExchange: a stream that is revoked is over, as if its client had gone, once") {
  Exchange exchange;
  int gone = 0;
  exchange.outer->on_gone([&gone] { ++gone; });
  exchange.outer->begin_stream(200, {});
  exchange.outer->write("one");
  exchange.outer->revoke();
  exchange.outer->write("two");
  exchange.outer->end();
  CHECK(exchange.outer->is_gone());
  CHECK(exchange.inner->body == "one");
  CHECK_FALSE(exchange.inner->over);
  exchange.inner->go_away();
  CHECK(gone == 1);
}

TEST_CASE("CallerExchange: a client that goes away when nobody holds the exchange harms nothing") {
  Exchange exchange;
  bool gone = false;
  exchange.outer->on_gone([&gone] { gone = true; });
  exchange.streams.clear();
  exchange.outer.reset();
  exchange.inner->go_away();
  CHECK(gone);
}
