#include "fuzz/endpoint_harness.h"
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
  for (const auto& entry : fs::directory_iterator(PYEMBER_FUZZ_ENDPOINT_CORPUS)) {
    std::ifstream file(entry.path(), std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return inputs;
}

std::vector<std::string> steps_of(const std::string& input) {
  constexpr std::string_view kEnd = "\n====\n";
  std::vector<std::string> steps;
  for (std::size_t at = 0; at < input.size();) {
    const std::size_t end = std::min(input.find(kEnd, at), input.size());
    steps.push_back(input.substr(at, end - at));
    at = end + kEnd.size();
  }
  return steps;
}

}  // namespace

TEST_CASE("HTTP fuzz corpus: every input leaves the endpoint serving") {
  const auto inputs = corpus();
  REQUIRE(inputs.size() >= 5);
  for (const std::string& input : inputs) pyember::test::drive_endpoint(input);
}

TEST_CASE("HTTP fuzz corpus: so does every input with a few bytes changed") {
  std::mt19937 random(20260728);  // always the same: what fails here fails again
  for (const std::string& input : corpus()) {
    for (int round = 0; round < 20; ++round) {
      std::string changed = input;
      for (int i = 0; i < 4 && !changed.empty(); ++i) {
        changed[random() % changed.size()] = static_cast<char>(random());
      }
      pyember::test::drive_endpoint(changed);
    }
  }
  SUCCEED("a CHECK of the harness would have ended the program");
}

TEST_CASE("HTTP fuzz corpus: so do the steps of all of them in any order") {
  std::mt19937 random(20251125);
  std::vector<std::string> steps;
  for (const std::string& input : corpus()) {
    for (std::string& step : steps_of(input)) steps.push_back(std::move(step));
  }
  for (int round = 0; round < 200; ++round) {
    std::string input;
    for (int i = 0; i < 60; ++i) input += steps[random() % steps.size()] + "\n====\n";
    pyember::test::drive_endpoint(input);
  }
  SUCCEED("a CHECK of the harness would have ended the program");
}
