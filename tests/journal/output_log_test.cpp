#include "support/catch.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "base/limits.h"
#include "journal/journal_memory.h"
#include "journal/layout.h"
#include "journal/output_log.h"

using namespace pyember::journal;
namespace limits = pyember::limits;

namespace {

struct Client {
  Client(bool socket) {
    if (socket) {
      REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    } else {
      REQUIRE(pipe2(ends, O_NONBLOCK) == 0);
    }
  }
  ~Client() {
    close(ends[0]);
    close(ends[1]);
  }
  int server_end() const { return ends[1]; }
  std::string take() {
    std::string all;
    char chunk[1 << 16];
    for (;;) {
      const ssize_t n = read(ends[0], chunk, sizeof chunk);
      if (n <= 0) return all;
      all.append(chunk, static_cast<std::size_t>(n));
    }
  }
  int ends[2];
};

JournalMemory memory(JournalMemory::Kind kind) {
  auto made = JournalMemory::make(kind);
  REQUIRE(made);
  return made.take();
}

}  // namespace

TEST_CASE("OutputLog: bytes arrive in order, over pipes and sockets, staged and not") {
  const bool socket = GENERATE(false, true);
  const auto kind = GENERATE(JournalMemory::Kind::Private, JournalMemory::Kind::Shared);
  JournalMemory own = memory(kind);
  OutputLog output(own);
  Client client(socket);
  std::string expected, arrived;
  for (int line = 0; line < 300; ++line) {
    const std::string text(static_cast<std::size_t>(line * line),
                           static_cast<char>('a' + line % 26));
    expected += text + '\n';
    while (output.room() < text.size() + 1) {
      output.send(client.server_end());
      arrived += client.take();
    }
    output.append(text, "\n");
    if (line % 3 == 0) output.send(client.server_end());
    if (line % 7 == 0) arrived += client.take();
  }
  while (output.send(client.server_end()) != OutputLog::Sent::All) arrived += client.take();
  arrived += client.take();
  CHECK(arrived == expected);
  CHECK(output.pending() == 0);
}

TEST_CASE("OutputLog: the next server goes on at the byte where the last one stopped") {
  JournalMemory own = memory(JournalMemory::Kind::Shared);
  const bool socket = GENERATE(false, true);
  Client client(socket);
  const std::string text(3'000'000, 'y');
  std::string arrived;
  {
    OutputLog output(own);
    output.append(text, "\n");
    CHECK(output.send(client.server_end()) == OutputLog::Sent::Blocked);
    arrived += client.take();
    CHECK(output.send(client.server_end()) == OutputLog::Sent::Blocked);
  }
  OutputLog next(own);
  CHECK(next.recover());
  while (next.send(client.server_end()) != OutputLog::Sent::All) arrived += client.take();
  arrived += client.take();
  CHECK(arrived == text + '\n');
}

TEST_CASE("OutputLog: a client that went away is told of") {
  signal(SIGPIPE, SIG_IGN);
  JournalMemory own = memory(GENERATE(JournalMemory::Kind::Private, JournalMemory::Kind::Shared));
  OutputLog output(own);
  int ends[2];
  REQUIRE(pipe2(ends, O_NONBLOCK) == 0);
  close(ends[0]);
  output.append("anybody?", "\n");
  CHECK(output.send(ends[1]) == OutputLog::Sent::Failed);
  close(ends[1]);
}

TEST_CASE("OutputLog: files are written to as well, by splice or without") {
  JournalMemory own = memory(JournalMemory::Kind::Shared);
  OutputLog output(own);
  char path[] = "/tmp/pyember-output-XXXXXX";
  // splice() refuses files that are opened for appending: then write() is used.
  const int file = mkostemp(path, GENERATE(0, O_APPEND));
  unlink(path);
  for (const char* line : {"first", "second"}) {
    output.append(line, "\n");
    CHECK(output.send(file) == OutputLog::Sent::All);
  }
  char read_back[64];
  const ssize_t n = pread(file, read_back, sizeof read_back, 0);
  CHECK(std::string_view(read_back, static_cast<std::size_t>(n)) == "first\nsecond\n");
  close(file);
}

TEST_CASE("OutputLog: a line of which the beginning was appended only is told of") {
  JournalMemory own = memory(JournalMemory::Kind::Private);
  OutputLog output(own);
  CHECK_FALSE(output.ends_within_line());
  output.append("half of ", {});
  CHECK(output.ends_within_line());
  output.append("it", "\n");
  CHECK_FALSE(output.ends_within_line());
}
