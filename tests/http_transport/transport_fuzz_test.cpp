#include "fuzz/transport_harness.h"
#include "support/catch.h"
#include "support/fuzz_corpus.h"

using namespace pyember::test;

TEST_CASE("Transport fuzz corpus: every input leaves the server serving, however it is answered") {
  const auto inputs = fuzz_corpus(PYEMBER_FUZZ_TRANSPORT_CORPUS);
  REQUIRE(inputs.size() >= 8);
  for (std::string input : inputs) {
    for (const char how : std::string("01234567PQRSTUVp")) {
      input[0] = how;
      drive_transport(input);
    }
  }
}

TEST_CASE("Transport fuzz corpus: so does every input with a few bytes changed") {
  std::mt19937 random(9112);
  for (const std::string& input : fuzz_corpus(PYEMBER_FUZZ_TRANSPORT_CORPUS)) {
    for (int round = 0; round < 40; ++round) {
      std::string changed = with_bytes_changed(input, random);
      if (round % 4 == 0) changed.resize(1 + random() % changed.size());
      drive_transport(changed);
    }
  }
  SUCCEED("a CHECK of the harness would have ended the program");
}
