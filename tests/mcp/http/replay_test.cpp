#include "mcp/http/replay.h"

#include "support/catch.h"

#include <string>
#include <vector>

using namespace pyember;
using mcp::EventId;
using mcp::Replay;

namespace {

std::vector<std::string> after(const Replay& replay, EventId id) {
  std::vector<std::string> events;
  replay.replay(id, [&events](const std::string& event) { events.push_back(event); });
  return events;
}

}  // namespace

TEST_CASE("Replay: an id is read back from its text, and from nothing else") {
  const auto id = EventId::from(EventId{3, 17}.text());
  REQUIRE(id);
  CHECK(id->stream == 3);
  CHECK(id->number == 17);
  for (const char* bad : {"", "-", "3", "3-", "-17", "3-17-1", "+3-17", " 3-17", "3-17x", "a-b",
                          "99999999999999999999-1", "1-99999999999999999999"}) {
    INFO(bad);
    CHECK_FALSE(EventId::from(bad));
  }
}

TEST_CASE("Replay: a client gets what came behind the last event it saw, of that stream alone") {
  Replay replay(8, 100);
  replay.keep({1, 1}, "a");
  replay.keep({2, 2}, "b");
  replay.keep({1, 3}, "c");
  replay.keep({1, 5}, "d");
  CHECK(after(replay, {1, 1}) == std::vector<std::string>{"c", "d"});
  CHECK(after(replay, {1, 4}) == std::vector<std::string>{"d"});
  CHECK(after(replay, {2, 0}) == std::vector<std::string>{"b"});
  CHECK(replay.holds_after({1, 4}));
  CHECK_FALSE(replay.holds_after({1, 5}));
  CHECK_FALSE(replay.holds_after({3, 0}));
}

TEST_CASE("Replay: the oldest events go when there are too many") {
  Replay replay(2, 100);
  for (std::uint64_t number = 1; number <= 4; ++number) {
    replay.keep({1, number}, std::to_string(number));
  }
  CHECK(after(replay, {1, 0}) == std::vector<std::string>{"3", "4"});
}

TEST_CASE("Replay: the oldest events go when they are too large together") {
  Replay replay(100, 10);
  replay.keep({1, 1}, "aaaa");
  replay.keep({1, 2}, "bbbb");
  replay.keep({1, 3}, "cccc");
  CHECK(after(replay, {1, 0}) == std::vector<std::string>{"bbbb", "cccc"});
  replay.keep({1, 4}, std::string(11, 'x'));
  CHECK(after(replay, {1, 0}) == std::vector<std::string>{"bbbb", "cccc"});
  replay.keep({1, 5}, std::string(10, 'y'));
  CHECK(after(replay, {1, 0}) == std::vector<std::string>{std::string(10, 'y')});
  CHECK(replay.bytes() == 10);
}
