#include "host/services/packages_directory.h"

#include <stdlib.h>

#include <filesystem>

namespace pyember::host {

namespace fs = std::filesystem;

namespace {

// The folder the wheel was installed into: above the program, or below the lib/ beside its bin/.
fs::path site_packages_of(const fs::path& program) {
  for (fs::path folder = program.parent_path(); folder.has_relative_path();
       folder = folder.parent_path()) {
    const fs::path name = folder.filename();
    if (name == "site-packages" || name == "dist-packages") return folder;
  }
  fs::path found;
  std::error_code failed;
  const fs::path library = program.parent_path().parent_path() / "lib";
  for (fs::directory_iterator each(library, failed), end; !failed && each != end;
       each.increment(failed)) {
    if (!each->path().filename().string().starts_with("python3")) continue;
    std::error_code missing;
    const fs::path packages = each->path() / "site-packages";
    if (fs::is_directory(packages / "dotenv", missing)) found = packages;
  }
  return found;
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
