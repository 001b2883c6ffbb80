// The fuzzer's corpus in every normal run, and a little of what a fuzzer does, without clang.
#include "fuzz/transport_harness.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "support/catch.h"

namespace fs = std::filesystem;

namespace {

std::vector<std::string> corpus() {
  std::vector<std::string> inputs;
  for (const auto& entry : fs::directory_iterator(PYEMBER_FUZZ_TRANSPORT_CORPUS)) {
    std::ifstream file(entry.path(), std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return inputs;
}

}  // namespace

TEST_CASE("Transport fuzz corpus: every input leaves the server serving, however it is answered") {
  const auto inputs = corpus();
  REQUIRE(inputs.size() >= 8);
  for (std::string input : inputs) {
    for (const char how : std::string("01234567PQRSTUVp")) {
      input[0] = how;
      pyember::test::drive_transport(input);
    }
  }
}

TEST_CASE("Transport fuzz corpus: so does every input with a few bytes changed") {
  std::mt19937 random(9112);  // always the same: what fails here fails again
  for (const std::string& input : corpus()) {
    for (int round = 0; round < 40; ++round) {
      std::string changed = input;
      for (int i = 0; i < 4; ++i) changed[random() % changed.size()] = static_cast<char>(random());
      if (round % 4 == 0) changed.resize(1 + random() % changed.size());
      pyember::test::drive_transport(changed);
    }
  }
  SUCCEED("a CHECK of the harness would have ended the program");
}
