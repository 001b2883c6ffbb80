#include "host/options.h"

#include <fmt/format.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string_view>

namespace pyember::host {

namespace {

bool is_folder(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

// With links resolved; what does not exist (yet) is only made absolute.
std::string absolute(const std::string& path) {
  char* resolved = realpath(path.c_str(), nullptr);
  if (resolved == nullptr) {
    std::error_code failed;
    const std::string made = std::filesystem::absolute(path, failed).string();
    return failed ? path : made;
  }
  std::string result(resolved);
  free(resolved);
  return result;
}

std::string variable(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? std::string() : value;
}

std::string home_folder() {
  if (std::string home = variable("HOME"); !home.empty()) return home;
  const passwd* user = getpwuid(getuid());
  return user != nullptr ? user->pw_dir : "/tmp";
}

// Where programs of this user keep what can be made again.
std::string cache_folder() {
  const std::string cache = variable("XDG_CACHE_HOME");
  return (cache.starts_with('/') ? cache : home_folder() + "/.cache") + "/pyember";
}

std::string own_folder() {
  char buffer[4096];
  const ssize_t n = readlink("/proc/self/exe", buffer, sizeof buffer);
  if (n <= 0) return {};
  const std::string path(buffer, static_cast<std::size_t>(n));
  return path.substr(0, path.rfind('/'));
}

// A file that is built and installed with this program, and may be used so (access()); empty: it is
// not there.
std::string find_file_of_ours(const char* setting, const std::string& name, int use) {
  if (const std::string given = variable(setting); !given.empty()) return absolute(given);
  for (const char* folder : {"/", "/../lib/pyember/"}) {
    const std::string path = own_folder() + folder + name;
    if (access(path.c_str(), use) == 0) return absolute(path);
  }
  return {};
}

std::string find_program_of_ours(const char* setting, const std::string& name) {
  return find_file_of_ours(setting, name, X_OK);
}

// What `root` offers to the embedded Python; site_directories stays empty when it is no
// environment for it.
PythonEnvironment look_at(const std::string& root) {
  PythonEnvironment environment;
  environment.root = absolute(root);
  environment.executable = PYEMBER_PYTHON_EXECUTABLE;
  const std::string packages =
      fmt::format("{}/lib/python{}/site-packages", environment.root, PYEMBER_PYTHON_VERSION);
  if (is_folder(packages)) environment.site_directories.push_back(packages);
  const std::string python = environment.root + "/bin/python";
  if (!environment.site_directories.empty() && access(python.c_str(), X_OK) == 0) {
    environment.executable = python;
  }
  return environment;
}

}  // namespace

Result<PythonEnvironment> find_environment(const std::string& named) {
  PythonEnvironment none;
  none.executable = PYEMBER_PYTHON_EXECUTABLE;
  const char* active = getenv("VIRTUAL_ENV");
  const std::string root = !named.empty()                         ? named
                           : active != nullptr && *active != '\0' ? active
                           : is_folder(".venv")                   ? ".venv"
                                                                  : "";
  if (root.empty()) return none;
  PythonEnvironment found = look_at(root);
  if (!found.site_directories.empty()) return found;
  const std::string problem = fmt::format(
      "The environment {} can't be used: it has no lib/python{}/site-packages, and this server "
      "embeds Python {}. Make one with: uv venv --python {} {}",
      root, PYEMBER_PYTHON_VERSION, PYEMBER_PYTHON_VERSION, PYEMBER_PYTHON_VERSION, root);
  if (!named.empty()) return Error{ErrorCode::InvalidArgument, problem};
  none.warning = problem;
  return none;
}

std::string find_runtime_directory() {
  if (const char* given = getenv("PYEMBER_RUNTIME_DIR"); given != nullptr && *given != '\0') {
    return absolute(given);
  }
  const std::string installed = own_folder() + "/../lib/pyember";
  if (is_folder(installed + "/mcp_runtime")) return absolute(installed);
  return PYEMBER_SOURCE_RUNTIME_DIR;
}

std::string find_bundled_directory() {
  if (const std::string given = variable("PYEMBER_BUNDLED"); !given.empty()) return absolute(given);
  const std::string beside = own_folder() + "/bundled";
  return is_folder(beside) ? beside : find_runtime_directory() + "/bundled";
}

std::string find_runner() { return find_program_of_ours("PYEMBER_RUNNER", "pyember-runner"); }

std::string find_enter() { return find_program_of_ours("PYEMBER_ENTER", "pyember-enter"); }

std::string find_http_module() {
  return find_file_of_ours("PYEMBER_HTTP_MODULE", "pyember-http.so", R_OK);
}

std::string find_jobs_directory() {
  if (std::string given = variable("PYTHON_MCP_META"); !given.empty()) return absolute(given);
  return home_folder() + "/.python_mcp/meta";
}

std::string find_environments_directory() { return cache_folder() + "/environments"; }

std::string find_boundary_folders_directory() { return cache_folder() + "/boundaries"; }

std::string find_session_folders_directory() { return cache_folder() + "/sessions"; }

std::string find_saved_tools_directory() {
  if (const std::string given = variable("MCP_BRIDGE_STATE_DIR"); !given.empty()) {
    return absolute(given) + "/user_tools";
  }
  const std::string home = home_folder();
  return home.empty() ? home : home + "/MCPs/user_tools";
}

std::string find_state_directory() {
  if (const std::string given = variable("PYEMBER_STATE_DIR"); !given.empty()) {
    return absolute(given);
  }
  const std::string state = variable("XDG_STATE_HOME");
  return (state.starts_with('/') ? state : home_folder() + "/.local/state") + "/pyember";
}

Result<embed::TestSwitches> parse_test_switches(const std::string& text) {
  embed::TestSwitches switches;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    const std::string_view word = rest.substr(0, comma);
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    if (word == "no_main_imports") {
      switches.no_main_imports = true;
    } else if (word == "hold_main_gil") {
      switches.hold_main_gil = true;
    } else if (word == "no_executable") {
      switches.no_executable = true;
    } else if (word == "no_loader_hook") {
      switches.no_loader_hook = true;
    } else if (word == "die_at_start") {
      switches.die_at_start = true;
    } else if (!word.empty()) {
      return Error{
          ErrorCode::InvalidArgument,
          fmt::format("PYEMBER_TEST_SWITCHES holds '{}', which is no switch. They are "
                      "no_main_imports, hold_main_gil, no_executable, no_loader_hook, "
                      "die_at_start; unset the variable unless you test the server itself.",
                      word)};
    }
  }
  return switches;
}

}  // namespace pyember::host
