#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

// A folder of a test's own, removed with it.
struct TemporaryFolder {
  TemporaryFolder() {
    char name[] = "/tmp/pyember-gate-XXXXXX";
    path = mkdtemp(name);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string path;
};
