#include "fuzz/client_harness.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "support/catch.h"

// The corpus of what servers say in every normal run, and a little of what a fuzzer does.
namespace fs = std::filesystem;

namespace {

std::vector<std::string> corpus() {
  std::vector<std::string> inputs;
  for (const auto& entry : fs::directory_iterator(PYEMBER_FUZZ_CLIENT_CORPUS)) {
    std::ifstream file(entry.path(), std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return inputs;
}

}  // namespace

TEST_CASE("Client corpus: nothing that a server says does harm") {
  const auto inputs = corpus();
  REQUIRE(inputs.size() >= 10);
  for (const std::string& input : inputs) pyember::test::drive_client(input);
}

TEST_CASE("Client corpus: nor with a few bytes changed, or with another input behind it") {
  std::mt19937 random(20260728);  // always the same: what fails here fails again
  const auto inputs = corpus();
  for (const std::string& input : inputs) {
    for (int round = 0; round < 100; ++round) {
      std::string changed = input + inputs[random() % inputs.size()];
      for (int i = 0; i < 4; ++i) changed[random() % changed.size()] = static_cast<char>(random());
      pyember::test::drive_client(changed);
    }
  }
}
