#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace pyember::host {

// Which packages to install for what code imports. Only packages that are well known are: a name
// that a model made up may be somebody's trap in the index. Loop's thread.
class ImportedPackages {
 public:
  using Clock = std::chrono::steady_clock;

  // `directories` are those in which sessions find packages anyway.
  explicit ImportedPackages(std::vector<std::string> directories);

  // Those that bring what the code imports and is not in the directories, each once, in the order
  // of the imports. An import inside a string counts as well.
  std::vector<std::string> missing(std::string_view code, Clock::time_point now);
  // They could not be had: for a while missing() does not name them.
  void failed(const std::vector<std::string>& packages, Clock::time_point now);

 private:
  bool is_here(const std::string& module) const;

  const std::vector<std::string> directories_;
  std::map<std::string, Clock::time_point, std::less<>> failed_;  // until when
};

// The packages' directories of an interpreter that is in no environment: "/usr/bin/python3.13" has
// "/usr/lib/python3.13/site-packages".
std::vector<std::string> own_package_directories(const std::string& executable,
                                                 std::string_view version);

}  // namespace pyember::host
