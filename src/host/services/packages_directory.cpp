#include "host/services/packages_directory.h"

#include <stdlib.h>

#include <filesystem>

namespace pyember::host {

namespace fs = std::filesystem;

namespace {

// The folder the wheel was installed into: above the program, or beside its bin/.
fs::path site_packages_of(const fs::path& program) {
  for (fs::path folder = program.parent_path(); folder.has_relative_path();
       folder = folder.parent_path()) {
    const fs::path name = folder.filename();
    if (name == "site-packages" || name == "dist-packages") return folder;
  }
  const fs::path beside = program.parent_path().parent_path() / "lib" /
                          ("python" PYEMBER_PYTHON_VERSION) / "site-packages";
  std::error_code failed;
  return fs::is_directory(beside, failed) ? beside : fs::path();
}

}  // namespace

std::string find_packages_directory() {
  std::error_code failed;
  if (const char* given = getenv("PYEMBER_PACKAGES"); given != nullptr && *given != '\0') {
    return fs::absolute(given, failed).string();
  }
  const fs::path program = fs::read_symlink("/proc/self/exe", failed);
  if (failed) return {};
  const fs::path beside = program.parent_path() / "packages";
  if (fs::is_directory(beside, failed)) return beside.string();
  return site_packages_of(program).string();
}

}  // namespace pyember::host
