#include "support/fuzz_corpus.h"
#include "fuzz/server_harness.h"
#include "support/catch.h"

using namespace pyember::test;

TEST_CASE("Fuzz corpus: every input leaves the server serving") {
  const auto inputs = fuzz_corpus(PYEMBER_FUZZ_CORPUS);
  REQUIRE(inputs.size() >= 10);
  for (const std::string& input : inputs) drive_server(input);
}

TEST_CASE("Fuzz corpus: so does every input with a few bytes changed") {
  std::mt19937 random(20260728);
  for (const std::string& input : fuzz_corpus(PYEMBER_FUZZ_CORPUS)) {
    for (int round = 0; round < 20; ++round) drive_server(with_bytes_changed(input, random));
  }
  SUCCEED("a CHECK of the harness would have ended the program");
}
