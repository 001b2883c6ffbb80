// What the host does when a worker or a zygote does not do what docs/workers.md says: against a
// zygote whose workers run whatever a test writes into a cell (fake_zygote).

#include <stdlib.h>

#include "host/workers/frames.h"
#include "host/workers/worker_messages.h"
#include "support/catch.h"
#include "worker_fixture.h"

using namespace pyember;
using namespace pyember::host;
using namespace std::chrono_literals;

namespace {

struct Fake {
  explicit Fake(const char* how = "") { setenv("PYEMBER_FAKE_ZYGOTE", how, 1); }
  ~Fake() { unsetenv("PYEMBER_FAKE_ZYGOTE"); }

  LoopFixture loop;
  Workers workers{loop.loop, {PYEMBER_TEST_FAKE_ZYGOTE}};
  WorkerPlace place{PYEMBER_TEST_PYTHON, {}, {}};
};

std::string framed(std::string_view header, std::string_view body = {}) {
  std::string text;
  append_frame_head(text, header, body.size());
  text += body;
  return text;
}

// The session is lost and says why.
std::string reason_after(const std::string& code) {
  Fake fake;
  HeardSession session(fake.loop, fake.workers, fake.place);
  const HeardSession::Ended* end = session.run(code);
  REQUIRE(end != nullptr);
  CHECK(end->outcome.status == embed::Status::Lost);
  REQUIRE(fake.loop.until([&] { return !session.lost.empty(); }));
  return session.lost.front();
}

}  // namespace

TEST_CASE("FrameReader: frames that come byte by byte are whole when their last byte is there") {
  const std::string text = framed(R"({"op":"ready"})") + framed("{}", "body");
  FrameReader reader;
  Frame frame;
  std::vector<Frame> frames;
  for (const char each : text) {
    reader.add({&each, 1});
    const Result<bool> next = reader.next(frame);
    REQUIRE(next);
    if (next.value()) frames.push_back(frame);
  }
  REQUIRE(frames.size() == 2);
  CHECK(frames[0].header == R"({"op":"ready"})");
  CHECK(frames[1].body == "body");
}

TEST_CASE("FrameReader: several frames of one piece come one after the other") {
  FrameReader reader;
  reader.add(framed("1") + framed("2", "b") + framed("3"));
  Frame frame;
  for (const char* each : {"1", "2", "3"}) {
    const Result<bool> next = reader.next(frame);
    REQUIRE(next);
    CHECK(next.value());
    CHECK(frame.header == each);
  }
  CHECK_FALSE(reader.next(frame).value());
}

TEST_CASE("FrameReader: a length beyond its bound is an error before its bytes come") {
  Frame frame;
  FrameReader header;
  header.add(std::string_view("\x01\x00\x10\x00\x00\x00\x00\x00", 8));
  CHECK_FALSE(header.next(frame).ok());
  FrameReader body;
  body.add(std::string_view("\x02\x00\x00\x00\xff\xff\xff\xff", 8));
  CHECK_FALSE(body.next(frame).ok());
}

TEST_CASE("Worker messages: an outcome is read with all it holds") {
  Frame frame{
      R"({"op":"done","cell":3,"status":1,"result":"2","error":["E","m","t"],"notices":["n"],)"
      R"("displays":[["image/png",3],["text/plain",2]],"plain":true,"memory":12})",
      "abcde"};
  Result<WorkerMessage> message = read_worker_message(frame);
  REQUIRE(message);
  const CellDone& done = std::get<CellDone>(message.value());
  CHECK(done.cell == 3);
  CHECK(done.status == DoneStatus::Raised);
  CHECK(done.outcome.result == "2");
  CHECK(done.outcome.error->traceback == "t");
  REQUIRE(done.outcome.displays.size() == 2);
  CHECK(done.outcome.displays[0].data == "abc");
  CHECK(done.outcome.displays[1].data == "de");
  CHECK(done.plain);
  CHECK(done.memory_bytes == 12);
}

TEST_CASE("Worker messages: what is of another form is refused") {
  const auto refused = [](std::string header, std::string body = {}) {
    Frame frame{std::move(header), std::move(body)};
    return !read_worker_message(frame).ok();
  };
  CHECK(refused("[]"));
  CHECK(refused("nothing"));
  CHECK(refused(R"({"op":"dance"})"));
  CHECK(refused(R"({"op":"ready"})", "body"));
  CHECK(refused(R"({"op":"done","status":0})"));
  CHECK(refused(R"({"op":"done","cell":-1,"status":0})"));
  CHECK(refused(R"({"op":"done","cell":1,"status":3})"));
  CHECK(refused(R"({"op":"done","cell":1,"status":0,"result":2})"));
  CHECK(refused(R"({"op":"done","cell":1,"status":0,"error":["a","b"]})"));
  CHECK(refused(R"({"op":"done","cell":1,"status":0,"notices":[1]})"));
  CHECK(refused(R"({"op":"done","cell":1,"status":0,"displays":[["a",9]]})", "short"));
  CHECK(refused(R"({"op":"done","cell":1,"status":0,"displays":[["a",1]]})", "long"));
  CHECK(refused(R"({"op":"done","cell":1,"status":0})", "left over"));
  CHECK(refused(R"({"op":"names","ticket":1,"names":[["a"]]})"));
}

TEST_CASE("Worker: cells of a session that is just opened run in order") {
  Fake fake;
  HeardSession session(fake.loop, fake.workers, fake.place);
  for (int i = 0; i < 20; ++i) session.submit("print(cell)");
  REQUIRE(fake.loop.until([&] { return session.ended.size() == 20; }));
  std::string expected;
  for (int i = 1; i <= 20; ++i) expected += std::to_string(i) + "\n";
  REQUIRE(fake.loop.until([&] { return session.output.size() >= expected.size(); }));
  CHECK(session.output == expected);
  CHECK(session.session().memory_bytes() == 1234);
}

TEST_CASE("Worker: a cell waits until the output of the one before has been read") {
  Fake fake;
  HeardSession session(fake.loop, fake.workers, fake.place);
  session.holds_output = true;
  session.submit("print('a')");
  session.submit("print('b')");
  REQUIRE(session.next() != nullptr);
  CHECK(session.ended.back().has_output);
  fake.loop.turn_for(50ms);
  CHECK(session.ended.size() == 1);
  CHECK_FALSE(session.session().running());
  session.session().output_drained(1);
  REQUIRE(session.next() != nullptr);
}

TEST_CASE("Worker: a cell that printed nothing says so") {
  Fake fake;
  HeardSession session(fake.loop, fake.workers, fake.place);
  const HeardSession::Ended* end = session.run("x = 1");
  REQUIRE(end != nullptr);
  CHECK_FALSE(end->has_output);
}

TEST_CASE("Worker: a cell is withdrawn or taken back only before it begins") {
  Fake fake;
  HeardSession session(fake.loop, fake.workers, fake.place);
  REQUIRE(session.run("pass") != nullptr);
  session.submit("import time; time.sleep(0.05)");
  session.submit("2");
  session.submit("3");
  CHECK_FALSE(session.session().withdraw(2));
  CHECK(session.session().withdraw(3));
  CHECK_FALSE(session.session().withdraw(3));
  const std::vector<embed::CellRequest> back = session.session().take_back();
  REQUIRE(back.size() == 1);
  CHECK(back.front().code == "3");
  REQUIRE(session.next() != nullptr);
  fake.loop.turn_for(30ms);
  CHECK(session.ended.size() == 2);
}

TEST_CASE("Worker: a cell of four megabytes reaches a worker that reads slowly") {
  Fake fake;
  HeardSession session(fake.loop, fake.workers, fake.place);
  REQUIRE(session.run("pass") != nullptr);
  const HeardSession::Ended* end =
      session.run("text = '" + std::string(4u << 20, 'x') + "'\nprint(len(text))");
  REQUIRE(end != nullptr);
  CHECK(end->outcome.status == embed::Status::Completed);
  REQUIRE(fake.loop.until([&] { return session.output == "4194304\n"; }));
}

TEST_CASE("Worker: how a cell ended that was asked to stop is for its code to say") {
  const std::string wait =
      "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\n"
      "signal.sigwait([signal.SIGINT])\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n";
  Fake fake;
  HeardSession session(fake.loop, fake.workers, fake.place);
  REQUIRE(session.run(wait, 50ms) != nullptr);
  CHECK(session.ended.back().outcome.status == embed::Status::Completed);
  REQUIRE(session.run(wait + "1 / 0", 50ms) != nullptr);
  CHECK(session.ended.back().outcome.status == embed::Status::TimedOut);
}

TEST_CASE("Worker: bytes that are no frame end it") {
  CHECK(says(reason_after("raw(b'\\xff' * 64)"), "beyond its bounds"));
}

TEST_CASE("Worker: a header that is no JSON ends it") {
  CHECK(says(reason_after("raw(b'\\x03\\0\\0\\0\\0\\0\\0\\0abc')"), "no JSON"));
}

TEST_CASE("Worker: an outcome of another cell ends it") {
  CHECK(says(reason_after("send({'op': 'done', 'cell': 7, 'status': 0})"),
             "a cell that does not run"));
}

TEST_CASE("Worker: a second outcome of the same cell ends it") {
  Fake fake;
  HeardSession session(fake.loop, fake.workers, fake.place);
  const HeardSession::Ended* end = session.run("send({'op': 'done', 'cell': cell, 'status': 0})");
  REQUIRE(end != nullptr);
  CHECK(end->outcome.status == embed::Status::Completed);
  REQUIRE(fake.loop.until([&] { return !session.lost.empty(); }));
  CHECK(says(session.lost.front(), "can't have meant"));
}

TEST_CASE("Worker: names that nobody asked for end it") {
  CHECK(says(reason_after("send({'op': 'names', 'ticket': 1, 'names': []})"), "nobody asked for"));
}

TEST_CASE("Worker: saying twice that it is ready ends it") {
  CHECK(says(reason_after("send({'op': 'ready'})"), "twice"));
}

TEST_CASE("Worker: speaking of a copy that nobody asked for ends it") {
  CHECK(says(reason_after("send({'op': 'forking'})"), "unasked"));
  CHECK(says(reason_after("send({'op': 'forked', 'pid': 12345})"), "nobody asked for"));
  CHECK(says(reason_after("send({'op': 'fork_failed', 'error': 'x'})"), "nobody asked for"));
}

// The fake answers no fork order.
TEST_CASE("Worker: a copy whose original is closed while it forks is lost, and says why") {
  Fake fake;
  HeardSession session(fake.loop, fake.workers, fake.place);
  REQUIRE(session.run("pass") != nullptr);
  std::optional<Result<std::vector<std::string>>> copied;
  HeardSession copy(fake.loop, [&](embed::SessionListener& listener) {
    return fake.workers.open_copy(
        session.session(), {}, listener,
        [&](Result<std::vector<std::string>> left) { copied.emplace(std::move(left)); });
  });
  bool free = false;
  copy.submit("pass");
  fake.loop.poster.post([&] { session.worker().when_free([&] { free = true; }); });
  REQUIRE(!fake.loop.until([&] { return free || !copy.lost.empty(); }, 100ms));
  session.close();
  CHECK(free);
  REQUIRE(fake.loop.until([&] { return !copy.lost.empty(); }));
  REQUIRE(copied.has_value());
  CHECK(!*copied);
  CHECK(says(copy.lost.front(), "a copy of ended meanwhile"));
}

TEST_CASE("Worker: a copy or its lacks in another form end it") {
  CHECK(says(reason_after("send({'op': 'forked', 'pid': 1})"), "without its process"));
  CHECK(says(reason_after("send({'op': 'forked', 'pid': 1 << 40})"), "without its process"));
  CHECK(says(reason_after("send({'op': 'fork_failed'})"), "mutely"));
  CHECK(says(reason_after("send({'op': 'ready', 'left': 'x'})"), "of no form"));
  CHECK(says(reason_after("send({'op': 'ready', 'left': [1]})"), "no texts"));
}

TEST_CASE("Worker: closing the wire ends it, and its process") {
  Fake fake;
  HeardSession session(fake.loop, fake.workers, fake.place);
  REQUIRE(session.run("pass") != nullptr);
  const pid_t pid = session.worker().process_id();
  const HeardSession::Ended* end = session.run("import time; wire.shutdown(2); time.sleep(60)");
  REQUIRE(end != nullptr);
  CHECK(says(end->outcome.error->message, "closed the descriptor"));
  CHECK(fake.loop.until([&] { return is_no_more(pid); }));
}

TEST_CASE("Worker: a flood of frames does not keep the loop from other sessions") {
  Fake fake;
  HeardSession flood(fake.loop, fake.workers, fake.place);
  HeardSession other(fake.loop, fake.workers, fake.place);
  REQUIRE(flood.run("pass") != nullptr);
  flood.submit("raw(b'\\0\\0\\x10\\0\\0\\0\\0\\4')\nwhile True: raw(bytes(1 << 20))");
  CHECK(other.run("pass") != nullptr);
  REQUIRE(fake.loop.until([&] { return !flood.lost.empty(); }));
}

TEST_CASE("Zygote: one that ends before it is ready says why the session can't be opened") {
  Fake fake("exit");
  HeardSession session(fake.loop, fake.workers, fake.place);
  session.submit("1");
  REQUIRE(fake.loop.until([&] { return !session.lost.empty(); }));
  CHECK(says(session.lost.front(), "exit code 1"));
  CHECK(says(session.lost.front(), "nothing here works"));
  CHECK(session.ended.empty());
}

TEST_CASE("Zygote: a Python that does not exist is named") {
  Fake fake;
  HeardSession session(fake.loop, fake.workers, {"/no/such/python", {}, {}});
  CHECK(session.lost.empty());  // told in a later turn
  REQUIRE(fake.loop.until([&] { return !session.lost.empty(); }));
  CHECK(says(session.lost.front(), "/no/such/python could not be run"));
}

TEST_CASE("Zygote: a Python that is too old is refused") {
  Fake fake("old");
  HeardSession session(fake.loop, fake.workers, fake.place);
  REQUIRE(fake.loop.until([&] { return !session.lost.empty(); }));
  CHECK(says(session.lost.front(), "3.9.1"));
}

TEST_CASE("Zygote: garbage on the control socket ends it") {
  Fake fake("garbage");
  HeardSession session(fake.loop, fake.workers, fake.place);
  REQUIRE(fake.loop.until([&] { return !session.lost.empty(); }));
  CHECK(says(session.lost.front(), "no JSON"));
}

TEST_CASE("Zygote: a fork that fails is told to its session alone") {
  Fake fake("no-fork");
  HeardSession session(fake.loop, fake.workers, fake.place);
  REQUIRE(fake.loop.until([&] { return !session.lost.empty(); }));
  CHECK(says(session.lost.front(), "no room"));
}

TEST_CASE("Zygote: when it dies its sessions are lost, and the next one gets another") {
  Fake fake;
  HeardSession first(fake.loop, fake.workers, fake.place);
  HeardSession second(fake.loop, fake.workers, fake.place);
  REQUIRE(second.run("pass") != nullptr);
  const HeardSession::Ended* end = first.run("import os; os.kill(os.getppid(), 9)");
  REQUIRE(end != nullptr);
  REQUIRE(fake.loop.until([&] { return !first.lost.empty() && !second.lost.empty(); }));
  CHECK(says(second.lost.front(), "signal 9"));
  HeardSession third(fake.loop, fake.workers, fake.place);
  CHECK(third.run("pass") != nullptr);
}
