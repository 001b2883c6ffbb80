#include "host/boundaries/sandbox_python.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <set>
#include <string_view>

#include "base/small_file.h"

namespace pyember::host {

namespace {

constexpr int kMaximumLinks = 40;  // as the kernel's own bound on a path

bool exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

std::string parent(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

// `path` without `.`, `..` and doubled slashes; links are left alone.
std::string normal(const std::string& path) {
  std::string text = std::filesystem::path(path).lexically_normal().string();
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

std::string resolved(const std::string& path) {
  char* const real = realpath(path.c_str(), nullptr);
  if (real == nullptr) return path;
  std::string text(real);
  free(real);
  return text;
}

bool is_at_or_above(const std::string& folder, const std::string& path) {
  return folder == "/" || path == folder ||
         (path.starts_with(folder) && path[folder.size()] == '/');
}

// Whether a prefix holds more than an installation of Python: a home folder or something above one,
// ~/.local, /opt, the root.
bool is_shared_prefix(const std::string& prefix) {
  for (const char* common : {"/", "/opt", "/home", "/srv", "/var", "/mnt"}) {
    if (prefix == common) return true;
  }
  const char* const home = std::getenv("HOME");
  if (home == nullptr || *home != '/') return false;
  const std::string folder = normal(home);
  return is_at_or_above(prefix, folder) || is_at_or_above(prefix, resolved(folder)) ||
         prefix == folder + "/.local";
}

// Names in `folder` that begin with `prefix`.
std::vector<std::string> matching(const std::string& folder, std::string_view prefix) {
  std::vector<std::string> found;
  DIR* const listing = opendir(folder.c_str());
  while (const dirent* entry = listing == nullptr ? nullptr : readdir(listing)) {
    if (std::string_view(entry->d_name).starts_with(prefix)) {
      found.push_back(folder + "/" + entry->d_name);
    }
  }
  if (listing != nullptr) closedir(listing);
  return found;
}

class Gathering {
 public:
  explicit Gathering(SandboxPlan& plan) : plan_(plan) {}

  void show(const std::string& path) {
    if (path.empty() || path == "/" || !shown_.insert(path).second) return;
    plan_.read_only.push_back({path, "", true});
  }

  // The executable, whatever it is a link to, and the installations both belong to.
  void add_executable(std::string path) {
    for (int i = 0; i < kMaximumLinks; ++i) {
      path = normal(path);
      char target[4096];
      const ssize_t length = readlink(path.c_str(), target, sizeof target);
      const std::string prefix = parent(parent(path));
      if (exists(prefix + "/pyvenv.cfg")) add_environment(prefix);
      if (length <= 0) break;
      const std::string to(target, static_cast<std::size_t>(length));
      if (!links_.insert(path).second) return;  // seen, and so is what it points to
      plan_.links.emplace_back(path, to);
      path = to.starts_with('/') ? to : parent(path) + "/" + to;
    }
    add_installation(path);
    add_installation(resolved(path));
  }

  // A virtual environment, and the installation it was made from.
  void add_environment(const std::string& root) {
    if (!environments_.insert(root).second) return;
    show(root);
    const std::string settings = read_small_file((root + "/pyvenv.cfg").c_str(), 8192);
    const std::size_t at = settings.find("home = ");
    if (at != 0 && (at == std::string::npos || settings[at - 1] != '\n')) return;
    const std::string home = settings.substr(at + 7, settings.find('\n', at) - at - 7);
    if (home.starts_with('/')) add_executable(home + "/python3");
  }

 private:
  void add_installation(const std::string& executable) {
    const std::string prefix = parent(parent(executable));
    if (!is_shared_prefix(prefix)) return show(prefix);
    show(executable);
    for (const char* library : {"/lib", "/lib64"}) {
      for (const std::string& each : matching(prefix + library, "python3")) show(each);
      for (const std::string& each : matching(prefix + library, "libpython")) show(each);
    }
  }

  SandboxPlan& plan_;
  std::set<std::string> shown_;
  std::set<std::string> links_;
  std::set<std::string> environments_;
};

std::vector<std::string> variables(const SandboxedPython& python) {
  std::string path = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
  if (!python.executable.empty()) path = parent(python.executable) + ":" + path;
  if (!python.environment_root.empty()) path = python.environment_root + "/bin:" + path;
  return {"PATH=" + path,
          "HOME=/workspace",
          "USER=nobody",
          "LOGNAME=nobody",
          "LANG=C.UTF-8",
          "TMPDIR=/tmp",
          "XDG_CACHE_HOME=/tmp/.cache",
          "MPLCONFIGDIR=/tmp/.matplotlib",
          "PYTHONUTF8=1",
          "PYTHONUNBUFFERED=1",
          "PYTHONDONTWRITEBYTECODE=1",
          "PYTHONNOUSERSITE=1",
          "PYTHONPATH=" + python.runtime_directory,
          "PYEMBER_BUNDLED=" + python.bundled_directory};
}

}  // namespace

SandboxPlan sandbox_for_python(const SandboxedPython& python) {
  SandboxPlan plan;
  plan.environment = variables(python);
  Gathering gathering(plan);
  // What distributions keep there of their Python: /etc/python3.11 on Debian.
  for (const std::string& each : matching("/etc", "python3.")) gathering.show(each);
  gathering.add_executable(python.executable);
  gathering.show(python.runtime_directory);
  gathering.show(python.bundled_directory);
  for (const std::string& each : python.site_directories) gathering.show(each);
  if (!python.environment_root.empty()) gathering.add_environment(python.environment_root);
  return plan;
}

}  // namespace pyember::host
