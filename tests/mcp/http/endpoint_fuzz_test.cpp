#include "fuzz/endpoint_harness.h"
#include "support/catch.h"
#include "support/fuzz_corpus.h"

#include <algorithm>
#include <string_view>
#include <utility>

using namespace pyember::test;

namespace {

std::vector<std::string> corpus() { return fuzz_corpus(PYEMBER_FUZZ_ENDPOINT_CORPUS); }

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
  for (const std::string& input : inputs) drive_endpoint(input);
}

TEST_CASE("HTTP fuzz corpus: so does every input with a few bytes changed") {
  std::mt19937 random(20260728);
  for (const std::string& input : corpus()) {
    for (int round = 0; round < 20; ++round) drive_endpoint(with_bytes_changed(input, random));
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
    drive_endpoint(input);
  }
  SUCCEED("a CHECK of the harness would have ended the program");
}
