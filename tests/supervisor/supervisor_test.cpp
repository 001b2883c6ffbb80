#include "supervisor/supervisor.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <new>
#include <string>

#include "base/limits.h"
#include "journal/journal_memory.h"
#include "journal/life.h"
#include "journal/upgrade_order.h"
#include "support/catch.h"

using namespace pyember;

namespace {

// What the servers of a test tell it: memory that all of its processes have.
struct Told {
  std::atomic<int> servers{0};
};

// Supervises, in a process of its own, servers that are these functions' calls: the first one is
// given 0, the next one 1 …
class Supervised {
 public:
  using Server = std::function<int(int number, journal::JournalMemory& memory)>;

  explicit Supervised(bool goes_on = false)
      : goes_on_(goes_on),
        memory_(journal::JournalMemory::make(journal::JournalMemory::Kind::Shared).take()) {
    void* const shared =
        mmap(nullptr, sizeof(Told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(shared != MAP_FAILED);
    told_ = new (shared) Told;
  }
  ~Supervised() { munmap(told_, sizeof(Told)); }

  // The exit code; 99 when it asks for another program.
  int run(const Server& server) {
    const pid_t pid = fork();
    if (pid == 0) {
      const supervisor::Outcome outcome = supervisor::supervise(
          memory_, [&] { return server(told_->servers++, memory_); }, goes_on_);
      _exit(outcome.program.empty() ? outcome.exit_code : 99);
    }
    int status = 0;
    REQUIRE(waitpid(pid, &status, 0) == pid);
    REQUIRE(WIFEXITED(status));
    return WEXITSTATUS(status);
  }

  int servers() const { return told_->servers; }
  journal::JournalMemory& memory() { return memory_; }

 private:
  bool goes_on_;
  journal::JournalMemory memory_;
  Told* told_;
};

int end_in_order(journal::JournalMemory& memory) {
  journal::Life(memory.layout()).ended();
  return 0;
}

int die() {
  raise(SIGKILL);
  return 0;
}

}  // namespace

TEST_CASE("a server that ends in order ends its supervisor") {
  Supervised supervised;
  CHECK(supervised.run([](int, journal::JournalMemory& memory) { return end_in_order(memory); }) ==
        0);
  CHECK(supervised.servers() == 1);
}

TEST_CASE("a server that dies is followed by another one") {
  Supervised supervised;
  CHECK(supervised.run([](int number, journal::JournalMemory& memory) {
    return number < 3 ? die() : end_in_order(memory);
  }) == 0);
  CHECK(supervised.servers() == 4);
}

TEST_CASE("a server that asks for another one gets it, whatever it has done") {
  Supervised supervised;
  CHECK(supervised.run([](int number, journal::JournalMemory& memory) {
    return number < 2 ? limits::kRestartExitCode : end_in_order(memory);
  }) == 0);
  CHECK(supervised.servers() == 3);
}

TEST_CASE("a first server that can't start is not tried again") {
  Supervised supervised;
  CHECK(supervised.run([](int, journal::JournalMemory&) { return 2; }) == 2);
  CHECK(supervised.servers() == 1);
}

TEST_CASE("a server that can't start is tried again where others have worked") {
  Supervised supervised(true);
  CHECK(supervised.run([](int number, journal::JournalMemory& memory) {
    return number == 0 ? 2 : end_in_order(memory);
  }) == 0);
  CHECK(supervised.servers() == 2);
}

TEST_CASE("servers that die one after the other are given up") {
  Supervised supervised;
  CHECK(supervised.run([](int, journal::JournalMemory&) { return die(); }) ==
        limits::kGivenUpExitCode);
  CHECK(supervised.servers() == 6);
}

TEST_CASE("a server that has answered something makes up for those that died before it") {
  Supervised supervised;
  CHECK(supervised.run([](int number, journal::JournalMemory& memory) {
    if (number == 20) return end_in_order(memory);
    journal::Life(memory.layout()).served();
    return die();
  }) == 0);
  CHECK(supervised.servers() == 21);
}

TEST_CASE("a server that ends for another program is followed by that one") {
  Supervised supervised;
  journal::UpgradeOrder order(supervised.memory().layout());
  REQUIRE(order.write("/usr/bin/true"));
  CHECK(supervised.run([](int, journal::JournalMemory&) { return limits::kUpgradeExitCode; }) ==
        99);
  CHECK(order.program() == "/usr/bin/true");
}

TEST_CASE("without an order such a server is followed by one of the same program") {
  Supervised supervised;
  CHECK(supervised.run([](int number, journal::JournalMemory& memory) {
    return number == 0 ? limits::kUpgradeExitCode : end_in_order(memory);
  }) == 0);
  CHECK(supervised.servers() == 2);
}

TEST_CASE("what a server leaves behind is killed") {
  Supervised supervised;
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  CHECK(supervised.run([&](int number, journal::JournalMemory& memory) {
    close(ends[0]);
    if (number == 0) {
      if (fork() == 0) {
        setsid();
        for (;;) pause();
      }
      return die();
    }
    close(ends[1]);
    return end_in_order(memory);
  }) == 0);
  close(ends[1]);
  char byte;
  CHECK(read(ends[0], &byte, 1) == 0);  // nobody has the other end any more
  close(ends[0]);
}

TEST_CASE("an order holds a path, or refuses it") {
  Supervised supervised;
  journal::UpgradeOrder order(supervised.memory().layout());
  CHECK_FALSE(order.exists());
  CHECK_FALSE(order.write(""));
  CHECK_FALSE(order.write(std::string(5000, 'x')));
  CHECK_FALSE(order.exists());
  REQUIRE(order.write("/a/much/longer/path"));
  REQUIRE(order.write("/b"));
  CHECK(order.program() == "/b");
  order.clear();
  CHECK_FALSE(order.exists());
}
