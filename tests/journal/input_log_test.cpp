#include "support/catch.h"

#include <cstring>
#include <string>

#include "base/limits.h"
#include "journal/input_log.h"
#include "journal/journal_memory.h"
#include "journal/layout.h"

using namespace pyember::journal;
namespace limits = pyember::limits;

namespace {

JournalMemory memory(JournalMemory::Kind kind = JournalMemory::Kind::Private) {
  auto made = JournalMemory::make(kind);
  REQUIRE(made);
  return made.take();
}

void put(InputLog& input, std::string_view bytes) {
  const std::span<char> room = input.room();
  REQUIRE(room.size() >= bytes.size());
  std::memcpy(room.data(), bytes.data(), bytes.size());
}

}  // namespace

TEST_CASE("InputLog: what was read without being counted is found") {
  const JournalMemory shared = memory(JournalMemory::Kind::Shared);
  InputLog first(shared.layout());
  put(first, "one\ntw");
  first.add(6);
  first.parsed(4);
  put(first, "o\nthree");  // and killed here
  InputLog second(shared.layout());
  second.recover();
  CHECK(second.unparsed() == "two\nthree");
  CHECK(second.parsed_to() == 4);
}

TEST_CASE("InputLog: nothing is found where everything was counted and parsed") {
  const JournalMemory shared = memory(JournalMemory::Kind::Shared);
  InputLog first(shared.layout());
  for (const std::string_view line : {"a long line, which leaves bytes behind\n", "b\n"}) {
    put(first, line);
    first.add(line.size());
    first.parsed(first.read_to());
  }
  put(first, "");
  InputLog second(shared.layout());
  second.recover();
  CHECK(second.unparsed().empty());
}

TEST_CASE("InputLog: a line as long as allowed is kept whole, and the area is used again") {
  const auto kind = GENERATE(JournalMemory::Kind::Private, JournalMemory::Kind::Shared);
  const JournalMemory own = memory(kind);
  InputLog input(own.layout());
  for (int round = 0; round < 5; ++round) {
    const std::string piece(limits::kReadChunkBytes, static_cast<char>('a' + round));
    std::size_t size = 0;
    for (; size < limits::kMaximumLineBytes; size += piece.size()) {
      put(input, piece);
      input.add(piece.size());
    }
    CHECK(input.unparsed().size() == size);
    CHECK(input.unparsed().find_first_not_of(piece[0]) == std::string_view::npos);
    input.parsed(input.read_to());
  }
  InputLog next(own.layout());
  next.recover();
  CHECK(next.unparsed().empty());
}

TEST_CASE("InputLog: a reader that is far behind is given no room until it has parsed") {
  const JournalMemory own = memory();
  InputLog input(own.layout());
  std::size_t size = 0;
  while (!input.room().empty()) size += input.add(limits::kReadChunkBytes).size();
  CHECK(size >= limits::kMaximumLineBytes + limits::kHeldInputBytes);
  input.parsed(limits::kReadChunkBytes);
  CHECK_FALSE(input.room().empty());
}

TEST_CASE("InputLog: of a line that is too long the beginning is kept until its end is parsed") {
  const JournalMemory own = memory();
  InputLog input(own.layout());
  CHECK(input.overlong_beginning().empty());
  for (const std::string_view piece : {"{\"id\":1", "2345"}) {
    put(input, piece);
    input.add(piece.size());
    input.skip();
  }
  InputLog next(own.layout());
  next.recover();
  CHECK(next.overlong_beginning() == "{\"id\":1");
  CHECK(next.unparsed().empty());
  put(next, "}\n");
  next.add(2);
  next.parsed(next.read_to());
  CHECK(InputLog(own.layout()).overlong_beginning().empty());
}
