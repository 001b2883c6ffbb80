#include "fuzz/client_harness.h"
#include "support/catch.h"
#include "support/fuzz_corpus.h"

using namespace pyember::test;

TEST_CASE("Client corpus: nothing that a server says does harm") {
  const auto inputs = fuzz_corpus(PYEMBER_FUZZ_CLIENT_CORPUS);
  REQUIRE(inputs.size() >= 10);
  for (const std::string& input : inputs) drive_client(input);
}

TEST_CASE("Client corpus: nor with a few bytes changed, or with another input behind it") {
  std::mt19937 random(20260728);
  const auto inputs = fuzz_corpus(PYEMBER_FUZZ_CLIENT_CORPUS);
  for (const std::string& input : inputs) {
    for (int round = 0; round < 100; ++round) {
      drive_client(with_bytes_changed(input + inputs[random() % inputs.size()], random));
    }
  }
  SUCCEED("a CHECK of the harness would have ended the program");
}
