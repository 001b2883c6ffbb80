#include "support/catch.h"

#include <fcntl.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <thread>

#include "base/limits.h"
#include "host/transport/stdio.h"
#include "loop_fixture.h"

using namespace pyember;
using namespace pyember::host;

namespace {

// A transport on two real pipes, and the client's ends of them.
struct Piped : LoopFixture {
  int to_server = -1;
  int from_server = -1;
  std::string received;
  std::string early;
  int ends = 0;
  int gone = 0;
  journal::JournalMemory memory =
      journal::JournalMemory::make(journal::JournalMemory::Kind::Private).take();
  journal::Journal journal{memory};
  std::optional<StdioTransport> transport;

  Piped() {
    int in[2];
    int out[2];
    REQUIRE(pipe2(in, O_CLOEXEC) == 0);
    REQUIRE(pipe2(out, O_CLOEXEC) == 0);
    to_server = in[1];
    from_server = out[0];
    fcntl(in[0], F_SETFL, O_NONBLOCK);
    fcntl(out[1], F_SETFL, O_NONBLOCK);
    fcntl(from_server, F_SETFL, O_NONBLOCK);
    transport.emplace(loop, ProtocolDescriptors{in[0], out[1]}, journal,
                      StdioTransport::Callbacks{[this](std::string_view b) { received += b; },
                                                [this](std::string_view b) { early += b; },
                                                [this] { ++ends; }, [this] { ++gone; }});
    transport->start();
  }
  ~Piped() {
    transport.reset();
    if (to_server >= 0) close(to_server);
    if (from_server >= 0) close(from_server);
  }
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = write(to_server, bytes.data(), bytes.size());
      REQUIRE(n > 0);
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  std::string read_some() {
    char buffer[65536];
    const ssize_t n = read(from_server, buffer, sizeof buffer);
    return n > 0 ? std::string(buffer, static_cast<std::size_t>(n)) : std::string();
  }
};

}  // namespace

TEST_CASE("StdioTransport: bytes arrive as they were sent and the end is told once") {
  Piped piped;
  piped.send("one\ntwo\nthree");
  close(piped.to_server);
  piped.to_server = -1;
  REQUIRE(piped.until([&] { return piped.ends > 0; }));
  piped.turn_for(std::chrono::milliseconds(10));
  CHECK(piped.received == "one\ntwo\nthree");
  CHECK(piped.ends == 1);
}

TEST_CASE("StdioTransport: lines of one turn go out together, each with its newline") {
  Piped piped;
  piped.transport->send("first", {});
  piped.transport->send("second", {});
  CHECK(piped.read_some().empty());
  REQUIRE(piped.until([&] { return piped.transport->flushed(); }));
  CHECK(piped.read_some() == "first\nsecond\n");
}

TEST_CASE("StdioTransport: more than the pipe holds arrives whole once the client reads") {
  Piped piped;
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    const std::string line = std::to_string(i) + std::string(50'000, 'x');
    expected += line + "\n";
    piped.transport->send(std::string(line), {});
  }
  std::string got;
  REQUIRE(piped.until([&] {
    got += piped.read_some();
    return got.size() >= expected.size();
  }));
  CHECK(got == expected);
  CHECK(piped.transport->flushed());
}

TEST_CASE("StdioTransport: while the client does not read, requests wait but cancellations pass") {
  Piped piped;
  piped.transport->send(std::string(limits::kPendingOutputBytes + 200'000, 'x'), {});
  piped.turn_for(std::chrono::milliseconds(5));
  REQUIRE(piped.transport->congested());
  piped.send("{\"request\":1}\n{\"method\":\"notifications/cancelled\"}\n{\"request\":2}\n");
  REQUIRE(piped.until([&] { return !piped.early.empty(); }));
  CHECK(piped.early == "{\"method\":\"notifications/cancelled\"}");
  CHECK(piped.received.empty());
  REQUIRE(piped.until([&] {
    piped.read_some();
    return piped.transport->flushed();
  }));
  CHECK(
      piped.received.ends_with("{\"request\":1}\n{\"method\":\"notifications/cancelled\"}\n"
                               "{\"request\":2}\n"));
}

TEST_CASE("StdioTransport: a client that only writes can't make it hold without bound") {
  Piped piped;
  piped.transport->send(std::string(limits::kPendingOutputBytes + 200'000, 'x'), {});
  piped.turn_for(std::chrono::milliseconds(5));
  fcntl(piped.to_server, F_SETFL, O_NONBLOCK);
  const std::string line = std::string(1000, 'r') + "\n";
  std::size_t sent = 0;
  int refused = 0;
  while (refused < 20 && sent < 10 * limits::kHeldInputBytes) {
    const ssize_t n = write(piped.to_server, line.data(), line.size());
    if (n > 0) {
      sent += static_cast<std::size_t>(n);
      refused = 0;
    } else {
      ++refused;
      piped.turn_for(std::chrono::milliseconds(3));
    }
  }
  CHECK(sent < 2 * limits::kHeldInputBytes);
  REQUIRE(piped.until([&] {
    piped.read_some();
    return piped.received.size() == sent;
  }));
}

TEST_CASE("StdioTransport: the end of input is told after what was held back") {
  Piped piped;
  piped.transport->send(std::string(limits::kPendingOutputBytes + 200'000, 'x'), {});
  piped.turn_for(std::chrono::milliseconds(5));
  piped.send("late request\n");
  close(piped.to_server);
  piped.to_server = -1;
  piped.turn_for(std::chrono::milliseconds(20));
  CHECK(piped.ends == 0);
  REQUIRE(piped.until([&] {
    piped.read_some();
    return piped.ends == 1;
  }));
  CHECK(piped.received == "late request\n");
}

TEST_CASE("StdioTransport: a client that has gone is noticed and output is dropped") {
  Piped piped;
  close(piped.from_server);
  piped.from_server = -1;
  piped.transport->send("nobody hears", {});
  REQUIRE(piped.until([&] { return piped.gone == 1; }));
  piped.transport->send("still nobody", {});
  piped.turn_for(std::chrono::milliseconds(5));
  CHECK(piped.gone == 1);
  CHECK(piped.transport->flushed());
}

TEST_CASE("StdioTransport: a regular file serves as input") {
  char name[] = "/tmp/pyember-stdio-XXXXXX";
  const int file = mkstemp(name);
  REQUIRE(file >= 0);
  unlink(name);
  REQUIRE(write(file, "from a file\n", 12) == 12);
  lseek(file, 0, SEEK_SET);
  LoopFixture fixture;
  std::string received;
  bool ended = false;
  journal::JournalMemory memory =
      journal::JournalMemory::make(journal::JournalMemory::Kind::Private).take();
  journal::Journal journal(memory);
  StdioTransport transport(fixture.loop, ProtocolDescriptors{file, open("/dev/null", O_WRONLY)},
                           journal,
                           {[&](std::string_view b) { received += b; }, [](std::string_view) {},
                            [&] { ended = true; }, [] {}});
  transport.start();
  REQUIRE(fixture.until([&] { return ended; }));
  CHECK(received == "from a file\n");
}
