#include "support/catch.h"

#include <string>

#include "base/limits.h"
#include "journal/journal_memory.h"
#include "journal/layout.h"
#include "journal/request_log.h"
#include "journal/session_log.h"
#include "journal/text_log.h"

using namespace pyember::journal;
namespace limits = pyember::limits;

namespace {

JournalMemory memory() {
  auto made = JournalMemory::make(JournalMemory::Kind::Private);
  REQUIRE(made);
  return made.take();
}

std::vector<std::string> lines_of(const std::vector<KeptRequest>& kept) {
  std::vector<std::string> lines;
  for (const KeptRequest& each : kept) lines.push_back(each.line);
  return lines;
}

}  // namespace

TEST_CASE("RequestLog: what is not answered is found, in the order it came") {
  const JournalMemory own = memory();
  RequestLog log(own.layout());
  const std::string long_line(100'000, 'l');
  const Ticket first = log.add("first", 6);
  const Ticket second = log.add(long_line, 100'007);
  const Ticket third = log.add("third", 100'013);
  log.begun(third) = 1;
  log.answering(first, 50);
  log.remove(first);
  log.add("fourth", 100'020);  // takes the first's place
  RequestLog next(own.layout());
  const std::vector<KeptRequest> kept = next.recover(100'020, 50);
  CHECK(lines_of(kept) == std::vector<std::string>{long_line, "third", "fourth"});
  CHECK(kept[0].ticket == second);
  CHECK(kept[1].begun);
  CHECK_FALSE(kept[2].begun);
}

TEST_CASE("RequestLog: an answer counts when it is in the output, a line when it was parsed") {
  const JournalMemory own = memory();
  RequestLog log(own.layout());
  log.answering(log.add("answered, not yet removed", 26), 100);
  log.answering(log.add("its answer was not appended", 54), 200);
  log.add("still in the input", 73);
  RequestLog next(own.layout());
  CHECK(lines_of(next.recover(54, 100)) == std::vector<std::string>{"its answer was not appended"});
  CHECK(lines_of(RequestLog(own.layout()).recover(73, 100)).size() == 1);
}

TEST_CASE("RequestLog: long lines share their area, and what does not fit is kept in part") {
  const JournalMemory own = memory();
  RequestLog log(own.layout());
  const std::string longest(limits::kMaximumLineBytes, 'z');
  std::vector<Ticket> tickets;
  std::uint64_t position = 0;
  for (std::size_t taken = 0; taken + longest.size() <= kLongLineBytes; taken += longest.size()) {
    tickets.push_back(log.add(longest, ++position));
  }
  CHECK_FALSE(log.recover(position, 0).back().truncated);
  log.add(longest, ++position);
  CHECK(log.recover(position, 0).back().truncated);
  log.remove(tickets[3]);
  log.add(longest, ++position);
  const KeptRequest last = log.recover(position, 0).back();
  CHECK_FALSE(last.truncated);
  CHECK(last.line == longest);
}

TEST_CASE("RequestLog: the table has an end") {
  const JournalMemory own = memory();
  RequestLog log(own.layout());
  for (std::uint64_t n = 1; n <= limits::kMaximumRequestsInFlight; ++n) {
    REQUIRE(log.add("line", n) != kNoTicket);
  }
  CHECK(log.add("one more", limits::kMaximumRequestsInFlight + 1) == kNoTicket);
  log.remove(17);
  CHECK(log.add("one more", limits::kMaximumRequestsInFlight + 2) == 17);
}

TEST_CASE("TextLog: the text that was written last is read, or the one before") {
  const JournalMemory own = memory();
  TextLog log(own.layout().protocol);
  CHECK(log.read().empty());
  CHECK(log.write("one"));
  CHECK(log.write("another"));
  CHECK(TextLog(own.layout().protocol).read() == "another");
  CHECK_FALSE(log.write(std::string(kTextBytes + 1, 'x')));
  CHECK(log.read() == "another");
  CHECK(log.write("three"));
  CHECK(log.read() == "three");
}

TEST_CASE("SessionLog: sessions that are open are found with their counts, once") {
  const JournalMemory own = memory();
  SessionLog log(own.layout());
  const int main_entry = log.open("main", 1);
  const int other = log.open("other", 1);
  log.count(main_entry, 42);
  log.close(other);
  log.open(std::string(64, 'n'), 7);
  const std::vector<KeptSession> kept = SessionLog(own.layout()).recover();
  REQUIRE(kept.size() == 2);
  CHECK(kept[0].name == "main");
  CHECK(kept[0].next_number == 42);
  CHECK(kept[1].name == std::string(64, 'n'));
  CHECK(SessionLog(own.layout()).recover().empty());
}

TEST_CASE("SessionLog: sessions of one name are told apart by their owners") {
  const JournalMemory own = memory();
  SessionLog log(own.layout());
  const std::string owner(kOwnerBytes, 'a');
  REQUIRE(log.open("main", 3, owner) >= 0);
  REQUIRE(log.open("main", 5) >= 0);
  CHECK(log.open("main", 7, owner + "a") == -1);
  const std::vector<KeptSession> kept = log.recover();
  REQUIRE(kept.size() == 2);
  CHECK(kept[0].owner == owner);
  CHECK(kept[1].owner.empty());
}

TEST_CASE("SessionLog: sessions beyond the table are not known") {
  const JournalMemory own = memory();
  SessionLog log(own.layout());
  for (std::size_t n = 0; n < kSessions; ++n) REQUIRE(log.open("s" + std::to_string(n), 1) >= 0);
  const int none = log.open("one more", 1);
  CHECK(none == -1);
  log.count(none, 5);
  log.close(none);
  CHECK(log.recover().size() == kSessions);
}
