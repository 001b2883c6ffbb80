#include "support/catch.h"

#include "base/limits.h"
#include "fake_rooms.h"
#include "fake_runtime.h"
#include "host/output/output_resources.h"
#include "loop_fixture.h"

using namespace pyember;
using namespace pyember::host;

namespace {

struct Resources : LoopFixture {
  FakeRuntime runtime;
  FakeRooms rooms{runtime};
  SessionRegistry registry{rooms, loop, poster, {}};
  OutputResources resources{registry};

  // A session whose cell 1 has printed these bytes.
  void printed(const std::string& session, std::string_view bytes) {
    struct Nobody final : CellObserver {
      void cell_ended(CellEnd) override {}
    };
    REQUIRE(registry.run(session, {"", std::chrono::seconds(60), false}, std::make_unique<Nobody>())
                .ok());
    REQUIRE(until([&] { return !registry.find(session)->busy(); }));
    registry.find(session)->outputs().append(1, Stream::Stdout, bytes);
  }

  Result<std::vector<mcp::ResourceContent>> read(const std::string& uri) {
    Result<std::vector<mcp::ResourceContent>> result = Error{};
    resources.read(uri, [&](auto given) { result = std::move(given); });
    return result;
  }
};

}  // namespace

TEST_CASE("Resources: addresses are parsed strictly") {
  const auto address = parse_output_uri("session-output://a%2Db/12/stderr?offset=5&limit=7");
  REQUIRE(address);
  CHECK(address->session == "a-b");
  CHECK(address->cell == 12);
  CHECK(address->stream == Stream::Stderr);
  CHECK(address->offset == 5);
  CHECK(address->limit == 7);
  for (const char* bad :
       {"", "file:///etc/passwd", "session-output://a", "session-output://a/1",
        "session-output://a/x/stdout", "session-output://a/1/other", "session-output:///1/stdout",
        "session-output://a/1/stdout?offset=-1", "session-output://a/1/stdout?limit=0",
        "session-output://a/1/stdout?page=1", "session-output://a%2/1/stdout",
        "session-output://a%2Fb/1/stdout", "session-output://../1/stdout/..",
        "session-output://a/99999999999999999999/stdout"}) {
    INFO(bad);
    CHECK_FALSE(parse_output_uri(bad));
  }
}

TEST_CASE("Resources: a page ends at a character and names the next") {
  Resources resources;
  resources.printed("s", "ab\xC3\xA9z");
  auto first = resources.read("session-output://s/1/stdout?limit=3");
  REQUIRE(first.ok());
  CHECK(first.value()[0].data == "ab");
  CHECK(first.value()[0].meta["nextUri"] == "session-output://s/1/stdout?offset=2&limit=3");
  auto second = resources.read("session-output://s/1/stdout?offset=2&limit=3");
  CHECK(second.value()[0].data == "\xC3\xA9z");
  CHECK_FALSE(second.value()[0].meta.contains("nextUri"));
}

TEST_CASE("Resources: bytes that are not UTF-8 come as base64, unchanged") {
  Resources resources;
  resources.printed("s", std::string("\xFF\x00\xFE!", 4));
  auto page = resources.read("session-output://s/1/stdout");
  REQUIRE(page.ok());
  CHECK(page.value()[0].is_base64);
  CHECK(page.value()[0].data == "/wD+IQ==");
}

TEST_CASE("Resources: what a character budget can't split still makes progress") {
  Resources resources;
  resources.printed("s", "\xF0\x9F\x90\x8D\xF0\x9F\x90\x8D");
  auto page = resources.read("session-output://s/1/stdout?limit=2");
  REQUIRE(page.ok());
  CHECK(page.value()[0].is_base64);
  CHECK(page.value()[0].meta["nextUri"] == "session-output://s/1/stdout?offset=2&limit=2");
}

TEST_CASE("Resources: what is not there is an error that says why") {
  Resources resources;
  resources.printed("s", "x");
  for (const char* uri : {"session-output://s/2/stdout", "session-output://s/0/stdout",
                          "session-output://other/1/stdout", "nonsense"}) {
    const auto missing = resources.read(uri);
    REQUIRE_FALSE(missing.ok());
    CHECK(missing.error().code == ErrorCode::NotFound);
  }
  CHECK(resources.read("session-output://s/1/stderr").ok());
}

TEST_CASE("Resources: the list holds what was cut, in the order of its addresses, by pages") {
  Resources resources;
  resources.printed("b", "x");
  resources.printed("a", "x");
  CHECK(resources.resources.list("", 10).empty());
  for (const char* name : {"a", "b"}) {
    resources.registry.find(name)->outputs().find(1)->listed[0] = true;
  }
  const auto all = resources.resources.list("", 10);
  REQUIRE(all.size() == 2);
  CHECK(all[0].uri == "session-output://a/1/stdout");
  CHECK(resources.resources.list("", 1).front().uri == all[0].uri);
  CHECK(resources.resources.list(all[0].uri, 1).front().uri == all[1].uri);
  CHECK(resources.resources.list(all[1].uri, 1).empty());
}
