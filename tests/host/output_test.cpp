#include "support/catch.h"

#include "base/limits.h"
#include "host/output/excerpt.h"
#include "host/output/output_store.h"

using namespace pyember;
using namespace pyember::host;

namespace {

// Bytes that tell where they stand.
std::string pattern(std::size_t size) {
  std::string bytes;
  bytes.reserve(size + 16);
  for (std::size_t i = 0; bytes.size() < size; ++i) bytes += std::to_string(i) + ",";
  bytes.resize(size);
  return bytes;
}

}  // namespace

TEST_CASE("OutputBuffer: any range of what was spilled to disk can be read back") {
  SpillFile file;
  OutputBuffer buffer(file);
  const std::string all = pattern(3 * limits::kOutputMemoryBytes + 1000);
  for (std::size_t at = 0; at < all.size(); at += 7001) buffer.append(all.substr(at, 7001));
  CHECK(buffer.size() == all.size());
  CHECK(buffer.lost() == 0);
  CHECK(buffer.in_memory() < limits::kOutputMemoryBytes);
  CHECK(buffer.read(0, all.size()) == all);
  for (const std::size_t offset : {std::size_t{1}, limits::kOutputMemoryBytes - 5,
                                   2 * limits::kOutputMemoryBytes, all.size() - 10}) {
    CHECK(buffer.read(offset, 12'345) == all.substr(offset, 12'345));
  }
  CHECK(buffer.read(all.size(), 10).empty());
}

TEST_CASE("OutputBuffer: two buffers that spill in turn to one file keep their own bytes") {
  SpillFile file;
  OutputBuffer first(file);
  OutputBuffer second(file);
  const std::string piece = pattern(100'000);
  std::string first_all;
  std::string second_all;
  for (int i = 0; i < 12; ++i) {
    first.append(piece);
    first_all += piece;
    second.append(std::string(50'000, static_cast<char>('a' + i)));
    second_all += std::string(50'000, static_cast<char>('a' + i));
  }
  CHECK(first.read(0, first_all.size()) == first_all);
  CHECK(second.read(0, second_all.size()) == second_all);
}

TEST_CASE("OutputBuffer: past the limit the beginning and the end stay and the rest is counted") {
  SpillFile file;
  OutputBuffer buffer(file);
  const std::string head = pattern(1000);
  buffer.append(head);
  buffer.hold_no_more();
  const std::string flood = pattern(5 * limits::kOutputTailBytes);
  buffer.append(flood);
  CHECK(buffer.size() == head.size() + flood.size());
  CHECK(buffer.read(0, 5000) == head);
  CHECK(buffer.lost() > 0);
  CHECK(buffer.held() <= head.size() + 2 * limits::kOutputTailBytes);
  CHECK(buffer.read(buffer.tail_start(), 1 << 30) ==
        flood.substr(flood.size() - (buffer.size() - buffer.tail_start())));
  CHECK(buffer.read(2000, 10).empty());
}

TEST_CASE("OutputBuffer: head and tail are cut at characters, not in the middle of one") {
  SpillFile file;
  OutputBuffer buffer(file);
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "\xF0\x9F\x90\x8D";  // a snake
  buffer.append(text);
  CHECK(buffer.characters() == 1000);
  CHECK(buffer.head(3).size() == 12);
  CHECK(buffer.tail(3) == text.substr(text.size() - 12));
}

TEST_CASE("Excerpt: output over the budget shows both ends and the number left out") {
  OutputStore store(1 << 30);
  store.append(3, Stream::Stdout, "BEGIN" + std::string(50'000, 'x') + "END");
  const Excerpt excerpt = make_excerpt(store.find(3), "main", 3, 1000);
  CHECK(excerpt.stdout_cut);
  CHECK(excerpt.stdout_text.starts_with("BEGIN"));
  CHECK(excerpt.stdout_text.ends_with("END"));
  CHECK(excerpt.stdout_text.find("49008 characters left out") != std::string::npos);
  CHECK(excerpt.stdout_text.find("session-output://main/3/stdout") != std::string::npos);
}

TEST_CASE("Excerpt: a short stream leaves its share of the budget to the other") {
  OutputStore store(1 << 30);
  store.append(1, Stream::Stdout, std::string(900, 'o'));
  store.append(1, Stream::Stderr, std::string(90, 'e'));
  const Excerpt excerpt = make_excerpt(store.find(1), "main", 1, 1000);
  CHECK_FALSE(excerpt.cut());
  CHECK(excerpt.stdout_text.size() == 900);
}

TEST_CASE("OutputStore: the oldest cell's output goes first when the session holds too much") {
  OutputStore store(10'000);
  for (embed::CellNumber cell = 1; cell <= 5; ++cell) {
    store.append(cell, Stream::Stdout, std::string(3'000, 'x'));
  }
  CHECK(store.find(1) == nullptr);
  CHECK(store.find(2) == nullptr);
  CHECK(store.find(5) != nullptr);
  CHECK(store.dropped_up_to() == 2);
  CHECK(store.held() <= 10'000);
}

TEST_CASE("OutputStore: what comes after a cell's end stands before the next one's, marked") {
  OutputStore store(1 << 20);
  store.append(1, Stream::Stdout, "one\n");
  store.append_late(2, 1, Stream::Stdout, "late");
  store.append_late(2, 1, Stream::Stdout, "r");
  store.append(2, Stream::Stdout, "two\n");
  const OutputBuffer& second = store.find(2)->of(Stream::Stdout);
  CHECK(second.read(0, 1000) == "[printed after cell 1 had ended]\nlater\n[cell 2]\ntwo\n");
  CHECK(store.find(1)->of(Stream::Stdout).read(0, 100) == "one\n");
}

TEST_CASE("OutputStore: many small outputs do not pile up in memory") {
  OutputStore store(1 << 30);
  for (embed::CellNumber cell = 1; cell <= 500; ++cell) {
    store.append(cell, Stream::Stdout, std::string(20'000, 'x'));
  }
  std::size_t in_memory = 0;
  for (const auto& [number, output] : store.cells()) in_memory += output->in_memory();
  CHECK(in_memory <= 2 * limits::kOutputMemoryBytes + 20'000);
  CHECK(store.find(7)->of(Stream::Stdout).read(0, 1 << 20) == std::string(20'000, 'x'));
}
