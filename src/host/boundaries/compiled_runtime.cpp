#include "host/boundaries/compiled_runtime.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <utility>
#include <vector>

#include "base/small_file.h"
#include "base/spawn.h"
#include "host/loop/pool_work.h"

namespace pyember::host {

namespace {

constexpr std::string_view kPackages = "/lib/python";

// "313" of the Python whose packages lie in …/lib/python3.13/site-packages.
std::string version_digits(const WorkerPlace& place) {
  std::string version = PYEMBER_PYTHON_VERSION;
  if (!place.site_directories.empty()) {
    const std::string& folder = place.site_directories.front();
    if (const auto at = folder.rfind(kPackages); at != std::string::npos) {
      const auto begin = at + kPackages.size();
      version = folder.substr(begin, folder.find('/', begin) - begin);
    }
  }
  std::erase(version, '.');
  return version;
}

std::uint32_t number_at(const std::string& bytes, std::size_t offset) {
  std::uint32_t number = 0;
  std::memcpy(&number, bytes.data() + offset, sizeof number);
  return number;
}

// Looks at one module, the last that a zygote imports; the format is that of PEP 552.
bool is_compiled(const std::string& directory, const std::string& version) {
  const std::string folder = directory + "/mcp_runtime/worker/";
  const std::string compiled = folder + "__pycache__/zygote.cpython-" + version + ".pyc";
  struct stat source {};
  const std::string head = read_small_file(compiled.c_str(), 16);
  if (head.size() < 16 || stat((folder + "zygote.py").c_str(), &source) != 0) return false;
  if (number_at(head, 4) != 0) return true;  // it goes by the source's hash, or by nothing
  return number_at(head, 8) == static_cast<std::uint32_t>(source.st_mtime) &&
         number_at(head, 12) == static_cast<std::uint32_t>(source.st_size);
}

// By the interpreter that the environment was made from: the environment's own would run what its
// packages have put there (.pth files), here, outside the boundary.
void compile(const std::string& python, const std::string& directory) {
  if (access((directory + "/mcp_runtime").c_str(), W_OK) != 0) return;
  std::error_code missing;
  const std::string base = std::filesystem::canonical(python, missing).string();
  if (missing) return;
  pid_t pid = 0;
  const std::vector<ChildDescriptor> nowhere{{0, -1, O_RDONLY}, {1, -1, O_RDWR}, {2, -1, O_RDWR}};
  const int failed = spawn_on_its_own(
      {base, "-I", "-S", "-m", "compileall", "-q", directory + "/mcp_runtime"}, {}, nowhere, pid);
  if (failed == 0) waitpid(pid, nullptr, 0);
}

}  // namespace

CompiledRuntime::CompiledRuntime(EventLoop& loop, std::string directory)
    : loop_(loop), directory_(std::move(directory)) {}

void CompiledRuntime::have(const WorkerPlace& place) {
  if (!seen_.insert(place.python).second) return;
  run_in_pool(
      loop_,
      [python = place.python, directory = directory_, version = version_digits(place)] {
        if (!is_compiled(directory, version)) compile(python, directory);
      },
      [] {});
}

}  // namespace pyember::host
