#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string_view>

#include "host/environments/environments.h"
#include "host/environments/program_path.h"

namespace pyember::host {

namespace {

std::string variable(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? std::string() : value;
}

}  // namespace

bool is_program(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         access(path.c_str(), X_OK) == 0;
}

std::string program_on_path(std::string_view name) {
  const std::string path = variable("PATH");
  for (std::string_view rest = path; !rest.empty();) {
    const std::size_t colon = rest.find(':');
    const std::string_view folder = rest.substr(0, colon);
    rest.remove_prefix(colon == std::string_view::npos ? rest.size() : colon + 1);
    if (!folder.starts_with('/')) continue;
    std::string program = std::string(folder) + "/" + std::string(name);
    if (is_program(program)) return program;
  }
  return {};
}

Result<std::string> find_uv() {
  if (const std::string given = variable("PYEMBER_UV"); !given.empty()) {
    if (given.front() == '/' && is_program(given)) return given;
    return Error{ErrorCode::Unavailable,
                 "OSError: uv was not found: PYEMBER_UV names '" + given +
                     "', which is no program with an absolute path. Correct or unset PYEMBER_UV, "
                     "or pass use_uv=false to run with the system's Python, which works without "
                     "uv."};
  }
  if (std::string found = program_on_path("uv"); !found.empty()) return found;
  if (const std::string home = variable("HOME"); !home.empty()) {
    for (const char* folder : {"/.local/bin/uv", "/.cargo/bin/uv"}) {
      if (is_program(home + folder)) return home + folder;
    }
  }
  return Error{ErrorCode::Unavailable,
               "OSError: uv was not found: it is not on PATH, in ~/.local/bin or in ~/.cargo/bin. "
               "Install it (curl -LsSf https://astral.sh/uv/install.sh | sh, or pip install uv), "
               "name it with PYEMBER_UV, or pass use_uv=false to run with the system's Python, "
               "which works without uv."};
}

Result<std::string> find_system_python() {
  for (const char* name : {"python", "python3"}) {
    if (std::string found = program_on_path(name); !found.empty()) return found;
  }
  return Error{ErrorCode::Unavailable,
               "OSError: no Python was found: neither 'python' nor 'python3' is on PATH. Install "
               "Python and put it on PATH, or leave use_uv=true, with which uv brings one."};
}

}  // namespace pyember::host
