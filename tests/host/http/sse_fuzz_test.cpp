#include "fuzz/sse_harness.h"
#include "support/catch.h"
#include "support/fuzz_corpus.h"

using namespace pyember::test;

TEST_CASE("SSE fuzz corpus: the pieces in which a stream comes don't matter") {
  const auto inputs = fuzz_corpus(PYEMBER_FUZZ_SSE_CORPUS);
  REQUIRE(inputs.size() >= 5);
  for (std::string input : inputs) {
    for (char piece = 0; piece < 64; ++piece) {
      input[0] = piece;
      drive_sse(input);
    }
  }
}

TEST_CASE("SSE fuzz corpus: nor with a few bytes changed, or with another input behind it") {
  std::mt19937 random(20251125);
  const auto inputs = fuzz_corpus(PYEMBER_FUZZ_SSE_CORPUS);
  for (const std::string& input : inputs) {
    for (int round = 0; round < 200; ++round) {
      drive_sse(with_bytes_changed(input + inputs[random() % inputs.size()], random));
    }
  }
  SUCCEED("a CHECK of the harness would have ended the program");
}
