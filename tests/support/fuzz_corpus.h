#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

// The fuzzers' corpora in every normal run, and a little of what a fuzzer does, without clang.
namespace pyember::test {

// What the files of a folder hold. Folders in it belong to others.
inline std::vector<std::string> fuzz_corpus(const std::filesystem::path& folder) {
  std::vector<std::string> inputs;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return inputs;
}

// A few bytes of it are others now. The same for the same `random`: what fails fails again.
inline std::string with_bytes_changed(std::string input, std::mt19937& random) {
  for (int i = 0; i < 4 && !input.empty(); ++i) {
    input[random() % input.size()] = static_cast<char>(random());
  }
  return input;
}

}  // namespace pyember::test
