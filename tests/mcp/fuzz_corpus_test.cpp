#include "fuzz/server_harness.h"
#include "support/catch.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

// The fuzzer's corpus in every normal run, and a little of what a fuzzer does, without clang.
namespace fs = std::filesystem;

namespace {

std::vector<std::string> corpus() {
  std::vector<std::string> inputs;
  for (const auto& entry : fs::directory_iterator(PYEMBER_FUZZ_CORPUS)) {
    std::ifstream file(entry.path(), std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return inputs;
}

}  // namespace

TEST_CASE("Fuzz corpus: every input leaves the server serving") {
  const auto inputs = corpus();
  REQUIRE(inputs.size() >= 10);
  for (const std::string& input : inputs) pyember::test::drive_server(input);
}

TEST_CASE("Fuzz corpus: so does every input with a few bytes changed") {
  std::mt19937 random(20260728);  // always the same: what fails here fails again
  for (const std::string& input : corpus()) {
    for (int round = 0; round < 20; ++round) {
      std::string changed = input;
      for (int i = 0; i < 4 && !changed.empty(); ++i) {
        changed[random() % changed.size()] = static_cast<char>(random());
      }
      pyember::test::drive_server(changed);
    }
  }
  SUCCEED("a CHECK of the harness would have ended the program");
}
