#include "host/upstream/session_calls.h"

#include <unistd.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "loop_fixture.h"
#include "support/catch.h"

// The server's end of a calls channel, with the session's end written and read by the tests.

namespace pyember::host {
namespace {

using mcp::Json;

// Answers when it is told to.
class HeldService final : public CallService {
 public:
  std::uint64_t serve(const std::shared_ptr<RunPermit>& permit, CallOrder order,
                      Done done) override {
    cells.push_back(permit->cell);
    if (at_once) {
      done({"\"now\"", {}});
      return 0;
    }
    held.emplace(++last, std::make_pair(std::move(order), std::move(done)));
    return last;
  }
  void cancel(std::uint64_t id) override {
    cancelled.push_back(id);
    held.erase(id);
  }
  void answer(std::uint64_t id, CallAnswer answer) {
    const Done done = std::move(held.at(id).second);
    held.erase(id);
    done(std::move(answer));
  }

  bool at_once = false;
  std::uint64_t last = 0;
  std::map<std::uint64_t, std::pair<CallOrder, Done>> held;
  std::vector<std::uint64_t> cancelled;
  std::vector<embed::CellNumber> cells;
};

struct Fixture : LoopFixture, SessionCalls::Owner {
  Fixture() {
    auto pipes = std::make_shared<CallPipes>();
    to_server = pipes->take_session_calls();
    from_server = pipes->take_session_answers();
    SessionCalls::Owner& owner = *this;
    calls = std::make_unique<SessionCalls>(loop, std::move(pipes), service, owner, chunk);
  }

  embed::CellNumber running_cell() override { return cell; }
  std::shared_ptr<RunPermit> permit_for(embed::CellNumber number) override {
    auto permit = std::make_shared<RunPermit>();
    permit->cell = number;
    return permit;
  }

  void write_bytes(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::write(to_server.get(), bytes.data(), bytes.size());
      if (n > 0) bytes.remove_prefix(static_cast<std::size_t>(n));
      if (n < 0) uv_run(loop.raw(), UV_RUN_NOWAIT);
    }
  }
  void write_text(const std::string& text) {
    std::string frame;
    for (int i = 0; i < 4; ++i) frame.push_back(static_cast<char>((text.size() >> (8 * i)) & 0xff));
    write_bytes(frame + text);
  }
  void write(const Json& frame) { write_text(frame.dump()); }
  void call(std::uint64_t id, const std::string& with) {
    write({{"id", id}, {"token", with}, {"op", "echo"}, {"text", "x"}});
  }

  // The next frame; null: none came, or the pipe has ended.
  Json next() {
    until([this] { return take_in() || whole(); }, std::chrono::seconds(5));
    if (!whole()) return nullptr;
    const std::size_t size = length();
    Json frame = Json::parse(held.substr(4, size));
    held.erase(0, 4 + size);
    return frame;
  }
  bool has_ended() {
    return until([this] { return take_in(); });
  }
  std::string token() {
    write({{"id", 1}, {"op", "begin"}});
    const Json answer = next();
    return answer.at("ok").get<bool>() ? answer.at("value").at("token").get<std::string>() : "";
  }
  bool serves(std::size_t count) {
    return until([&] { return service.held.size() == count; }, std::chrono::seconds(5));
  }

  embed::CellNumber cell = 1;
  std::vector<char> chunk = std::vector<char>(limits::kReadChunkBytes);
  HeldService service;
  Descriptor to_server, from_server;
  std::string held;
  std::unique_ptr<SessionCalls> calls;

 private:
  std::size_t length() const {
    std::size_t size = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      size |= static_cast<std::size_t>(static_cast<unsigned char>(held[i])) << (8 * i);
    }
    return size;
  }
  bool whole() const { return held.size() >= 4 && held.size() >= 4 + length(); }
  // True: the pipe has ended.
  bool take_in() {
    std::string piece(1 << 20, '\0');
    const ssize_t n = read(from_server.get(), piece.data(), piece.size());
    if (n > 0) held.append(piece, 0, static_cast<std::size_t>(n));
    return n == 0;
  }
};

TEST_CASE_METHOD(Fixture, "Calls: a call with the running cell's token is served and answered") {
  const std::string good = token();
  REQUIRE(good.size() == 32);
  call(2, good);
  REQUIRE(serves(1));
  const CallOrder& order = service.held.at(1).first;
  CHECK(order.op == "echo");
  CHECK(order.fields == Json{{"text", "x"}});
  order.progress(1, 2, "half");
  CHECK(next() == Json{{"id", 2}, {"progress", {1, 2, "half"}}});
  service.answer(1, {"[1,2]", {}});
  CHECK(next() == Json{{"id", 2}, {"ok", true}, {"value", {1, 2}}});
}

TEST_CASE_METHOD(Fixture, "Calls: an error has kind, message and result") {
  call(2, token());
  REQUIRE(serves(1));
  service.answer(1, {{}, CallError{"tool", "it \"failed\"", {{"isError", true}}}});
  const Json error{{"kind", "tool"}, {"message", "it \"failed\""}, {"result", {{"isError", true}}}};
  CHECK(next() == Json{{"id", 2}, {"ok", false}, {"error", error}});
}

TEST_CASE_METHOD(Fixture, "Calls: without a cell there is no token") {
  cell = 0;
  write({{"id", 1}, {"op", "begin"}});
  CHECK(next().at("error").at("kind") == "no_run");
}

TEST_CASE_METHOD(Fixture, "Calls: forged and old tokens are refused") {
  const std::string first = token();
  for (const std::string& bad : {std::string(), std::string(32, '0'), first + "0"}) {
    call(2, bad);
    CHECK(next().at("error").at("kind") == "token");
  }
  calls->cell_ended(1);
  call(3, first);
  CHECK(next().at("error").at("kind") == "token");
  cell = 2;
  const std::string second = token();
  CHECK(second != first);
  call(4, first);
  CHECK(next().at("error").at("kind") == "token");
  call(5, second);
  REQUIRE(serves(1));
  CHECK(service.cells == std::vector<embed::CellNumber>{2});
}

TEST_CASE_METHOD(Fixture, "Calls: a cell that asks twice has one token") {
  CHECK(token() == token());
}

TEST_CASE_METHOD(Fixture, "Calls: a cell's end cancels what it has under way, and no other's") {
  call(2, token());
  cell = 2;  // has begun before the first one's end was heard
  call(3, token());
  REQUIRE(serves(2));
  calls->cell_ended(1);
  CHECK(next().at("error").at("kind") == "cancelled");
  CHECK(service.cancelled == std::vector<std::uint64_t>{1});
  service.answer(2, {"true", {}});
  CHECK(next().at("id") == 3);
}

TEST_CASE_METHOD(Fixture, "Calls: a cancelled call is not answered") {
  const std::string good = token();
  call(2, good);
  REQUIRE(serves(1));
  write({{"id", 3}, {"op", "cancel"}, {"target", 2}});
  write({{"id", 4}, {"op", "cancel"}, {"target", 77}});
  REQUIRE(serves(0));
  CHECK(service.cancelled == std::vector<std::uint64_t>{1});
  call(5, good);
  REQUIRE(serves(1));
  service.answer(2, {"5", {}});
  CHECK(next().at("id") == 5);
}

TEST_CASE_METHOD(Fixture, "Calls: more than run at a time wait in order") {
  const std::string good = token();
  for (std::uint64_t id = 2; id < 2 + limits::kCallsInFlight + 3; ++id) call(id, good);
  REQUIRE(serves(limits::kCallsInFlight));
  turn_for(std::chrono::milliseconds(20));
  CHECK(service.last == limits::kCallsInFlight);
  service.answer(7, {"0", {}});
  REQUIRE(serves(limits::kCallsInFlight));
  CHECK(service.last == limits::kCallsInFlight + 1);
  write({{"id", 9000}, {"op", "cancel"}, {"target", 2 + limits::kCallsInFlight + 1}});
  turn_for(std::chrono::milliseconds(20));
  service.answer(8, {"0", {}});
  CHECK(service.last == limits::kCallsInFlight + 2);
}

TEST_CASE_METHOD(Fixture, "Calls: thousands that are answered at once do not pile up") {
  const std::string good = token();
  for (std::uint64_t id = 2; id < 2 + limits::kCallsInFlight + 2000; ++id) call(id, good);
  REQUIRE(serves(limits::kCallsInFlight));
  service.at_once = true;
  service.answer(1, {"0", {}});
  std::size_t answers = 0;
  while (!next().is_null()) {
    if (++answers == 2001) break;
  }
  CHECK(answers == 2001);
}

TEST_CASE_METHOD(Fixture, "Calls: what breaks the rules ends the channel") {
  const std::string good = token();
  SECTION("a length beyond the bound") { write_bytes("\xff\xff\xff\xff"); }
  SECTION("no JSON") { write_text("{\"id\":2,"); }
  SECTION("no object") { write_text("[1]"); }
  SECTION("no id") { write_text("{\"op\":\"begin\"}"); }
  SECTION("an id that is no number of ours") { write_text("{\"id\":-1,\"op\":\"begin\"}"); }
  SECTION("an id beyond the bound") { write_text("{\"id\":9007199254740992,\"op\":\"begin\"}"); }
  SECTION("an id twice") {
    call(2, good);
    call(2, good);
  }
  CHECK(has_ended());
  CHECK(service.held.empty());
}

TEST_CASE_METHOD(Fixture, "Calls: arguments that are too much are an error of that call alone") {
  const std::string good = token();
  std::string text = "{\"id\":2,\"token\":\"" + good + "\",\"op\":\"echo\",\"text\":";
  text += std::string(100, '[') + std::string(100, ']') + "}";
  write_text(text);
  CHECK(next().at("error").at("kind") == "too_large");
  call(3, good);
  CHECK(serves(1));
}

TEST_CASE_METHOD(Fixture, "Calls: an answer beyond the bound is an error") {
  call(2, token());
  REQUIRE(serves(1));
  service.answer(1, {"\"" + std::string(limits::kMaximumCallFrame, 'x') + "\"", {}});
  CHECK(next().at("error").at("kind") == "too_large");
}

TEST_CASE_METHOD(Fixture, "Calls: large frames go both ways, in pieces") {
  const std::string good = token();
  const std::string text(5 << 20, 'y');
  write({{"id", 2}, {"token", good}, {"op", "echo"}, {"text", text}});
  REQUIRE(serves(1));
  service.answer(1, {"\"" + text + "\"", {}});
  CHECK(next().at("value") == text);
}

TEST_CASE_METHOD(Fixture, "Calls: nothing more is read while answers wait to be read") {
  const std::string good = token();
  service.at_once = false;
  call(2, good);
  call(3, good);
  call(4, good);
  REQUIRE(serves(3));
  const std::string large = "\"" + std::string(limits::kMaximumCallFrame - 100, 'z') + "\"";
  for (const std::uint64_t id : {1, 2, 3}) service.answer(id, {large, {}});
  call(5, good);
  turn_for(std::chrono::milliseconds(50));
  CHECK(service.last == 3);
  for (const std::uint64_t id : {2, 3, 4}) CHECK(next().at("id") == id);
  CHECK(serves(1));
}

TEST_CASE_METHOD(Fixture, "Calls: the session's end cancels what it has under way") {
  call(2, token());
  REQUIRE(serves(1));
  to_server.close();
  REQUIRE(until([this] { return service.held.empty(); }));
  CHECK(service.cancelled == std::vector<std::uint64_t>{1});
}

TEST_CASE_METHOD(Fixture, "Calls: answers that come after the end are dropped") {
  call(2, token());
  REQUIRE(serves(1));
  const CallService::Done done = service.held.at(1).second;
  calls.reset();
  done({"1", {}});
  CHECK(service.cancelled == std::vector<std::uint64_t>{1});
}

}  // namespace
}  // namespace pyember::host
