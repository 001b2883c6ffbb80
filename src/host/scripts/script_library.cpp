#include "host/scripts/script_library.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/limits.h"
#include "base/sha256.h"
#include "host/scripts/redaction.h"
#include "host/scripts/text_file.h"
#include "mcp/json_members.h"
#include "mcp/nearest_name.h"

namespace pyember::host {

using mcp::Json;
using mcp::text_in;

namespace {

constexpr std::size_t kHashDigits = 8;  // of the content's hash, in the name

std::string utc_time(const char* format) {
  const time_t now = time(nullptr);
  tm parts{};
  gmtime_r(&now, &parts);
  char text[64];
  return std::string(text, strftime(text, sizeof text, format, &parts));
}

double in_seconds(const timespec& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// The last part of a path, with .py; empty when nothing is left of it, or what no file should be
// called.
std::string script_file_name(const std::string& given) {
  std::string name = base_name(given);
  if (name.empty() || name == "." || name == "..") return {};
  const bool control =
      std::any_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (control) return {};
  if (!name.ends_with(".py")) name += ".py";
  return name;
}

std::string sidecar_path(const std::string& script) {
  return script.substr(0, script.size() - std::string_view(".py").size()) + ".json";
}

std::vector<std::string> scripts_in(const std::string& folder) {
  std::vector<std::string> names;
  DIR* directory = opendir(folder.c_str());
  if (directory == nullptr) return names;
  while (const dirent* entry = readdir(directory)) {
    std::string name = entry->d_name;
    if (name.ends_with(".py") && name.front() != '.') names.push_back(std::move(name));
  }
  closedir(directory);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

ScriptLibrary::ScriptLibrary(Settings settings) : settings_(std::move(settings)) {}

std::string ScriptLibrary::scripts_directory() const { return settings_.root + "/scripts"; }

std::string ScriptLibrary::autosave_directory() const {
  return settings_.root + "/autosaved_scripts";
}

// --- autosaved scripts -------------------------------------------------------------------------

// Other servers may add to the folder; what they add is found at the next start.
void ScriptLibrary::look_at_autosaved() {
  if (std::exchange(looked_, true)) return;
  const std::string folder = autosave_directory();
  for (const std::string& name : scripts_in(folder)) {
    struct stat status {};
    if (stat(fmt::format("{}/{}", folder, name).c_str(), &status) != 0) continue;
    autosaved_[name] = {static_cast<std::uint64_t>(status.st_size), in_seconds(status.st_mtim)};
  }
}

std::string ScriptLibrary::known_copy(const std::string& ending, const std::string& content) const {
  for (const auto& [name, kept] : autosaved_) {
    if (kept.bytes != content.size() || !name.ends_with(ending)) continue;
    const Result<std::string> text =
        read_text_file(autosave_directory() + "/" + name, limits::kMaximumScriptBytes);
    if (text.ok() && text.value() == content) return name;
  }
  return {};
}

Result<ScriptLibrary::Saved> ScriptLibrary::autosave(const std::string& tool,
                                                     const std::string& content,
                                                     const Json& parameters) {
  const std::string folder = autosave_directory();
  if (Result<void> made = make_folder(folder); !made) return made.error();
  look_at_autosaved();
  const std::string hash = sha256_hex(content);
  const std::string ending = fmt::format("_{}_{}.py", tool, hash.substr(0, kHashDigits));
  std::string name = known_copy(ending, content);
  const bool is_new = name.empty();
  if (is_new) name = utc_time("%Y%m%dT%H%M%SZ") + ending;
  Saved saved{folder + "/" + name, name};
  if (is_new) {
    const std::string ignore = folder + "/.gitignore";
    if (!is_regular_file(ignore)) (void)write_text_file(ignore, "*\n", 0644).ok();
    if (Result<void> written = write_text_file(saved.path, content); !written) {
      return written.error();
    }
  } else {
    utimensat(AT_FDCWD, saved.path.c_str(), nullptr, 0);  // used again: among the last to go
  }
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  autosaved_[name] = {content.size(), in_seconds(now)};
  Json sidecar = Json::object();
  sidecar["tool"] = tool;
  sidecar["created_at"] = utc_time("%Y-%m-%dT%H:%M:%S+00:00");
  Json& kept = sidecar["params"] = redacted(parameters);
  if (kept.is_object()) kept.erase("script_content");
  sidecar["sha256"] = hash;
  waiting_[sidecar_path(saved.path)] = std::move(sidecar);
  if (is_new) keep_within_limits();
  return saved;
}

void ScriptLibrary::annotate(const Saved& saved, const Json& members) {
  const std::string path = sidecar_path(saved.path);
  auto waiting = waiting_.find(path);
  if (waiting == waiting_.end()) {
    const Result<std::string> text = read_text_file(path, limits::kMaximumScriptBytes);
    if (!text) return;
    Result<Json> sidecar = mcp::parse_json(text.value());
    if (!sidecar || !sidecar.value().is_object()) return;
    waiting = waiting_.emplace(path, sidecar.take()).first;
  }
  for (const auto& [name, value] : members.items()) waiting->second[name] = value;
}

void ScriptLibrary::write_sidecars() const {
  while (write_one_sidecar()) {
  }
}

bool ScriptLibrary::write_one_sidecar() const {
  if (waiting_.empty()) return false;
  const auto next = waiting_.extract(waiting_.begin());
  (void)write_text_file(next.key(), mcp::to_json_text(next.mapped()) + "\n").ok();
  return !waiting_.empty();
}

bool ScriptLibrary::remove_autosaved(const std::string& given) {
  const std::string name = script_file_name(given);
  const std::string path = autosave_directory() + "/" + name;
  if (name.empty() || unlink(path.c_str()) != 0) return false;
  unlink(sidecar_path(path).c_str());
  waiting_.erase(sidecar_path(path));
  autosaved_.erase(name);
  return true;
}

void ScriptLibrary::keep_within_limits() {
  std::uint64_t bytes = 0;
  for (const auto& [name, kept] : autosaved_) bytes += kept.bytes;
  while (autosaved_.size() > 1 && (autosaved_.size() > settings_.maximum_autosaved ||
                                   bytes > settings_.maximum_autosaved_bytes)) {
    const auto oldest =
        std::min_element(autosaved_.begin(), autosaved_.end(), [](const auto& a, const auto& b) {
          return std::pair(a.second.used_at, a.first) < std::pair(b.second.used_at, b.first);
        });
    bytes -= oldest->second.bytes;
    const std::string path = autosave_directory() + "/" + oldest->first;
    unlink(path.c_str());
    unlink(sidecar_path(path).c_str());
    waiting_.erase(sidecar_path(path));
    autosaved_.erase(oldest);
  }
}

// --- looking at scripts ------------------------------------------------------------------------

std::vector<StoredScript> ScriptLibrary::list(bool include_autosaved) const {
  std::vector<StoredScript> scripts;
  for (std::string& name : scripts_in(scripts_directory())) {
    std::string path = scripts_directory() + "/" + name;
    scripts.push_back({std::move(name), std::move(path)});
  }
  if (!include_autosaved) return scripts;
  std::vector<std::string> names = scripts_in(autosave_directory());
  std::reverse(names.begin(), names.end());  // names begin with their time: newest first
  for (std::string& name : names) {
    StoredScript script{name, autosave_directory() + "/" + name, true};
    const Json sidecar = metadata(script);
    script.created_at = text_in(sidecar, "created_at");
    script.tool = text_in(sidecar, "tool");
    scripts.push_back(std::move(script));
  }
  return scripts;
}

Result<StoredScript> ScriptLibrary::find(const std::string& given, bool autosaved) const {
  const std::string folder = autosaved ? autosave_directory() : scripts_directory();
  const std::string name = script_file_name(given);
  StoredScript script{name, folder + "/" + name, autosaved};
  if (!name.empty() && is_regular_file(script.path)) return script;
  const std::vector<std::string> names = scripts_in(folder);
  const std::string_view nearest = mcp::nearest_name(name, {names.begin(), names.end()});
  const std::string hint = nearest.empty() ? "" : fmt::format("Did you mean {}? ", nearest);
  return Error{
      ErrorCode::NotFound,
      fmt::format("there is no script {} (looked for in {}).\n{}py_list_scripts{} lists "
                  "what there is.",
                  script.path, folder, hint, autosaved ? " with include_autosaved=true" : "")};
}

Result<std::string> ScriptLibrary::read(const StoredScript& script) const {
  return read_text_file(script.path, limits::kMaximumScriptBytes);
}

Json ScriptLibrary::metadata(const StoredScript& script) const {
  write_sidecars();
  const Result<std::string> text =
      read_text_file(sidecar_path(script.path), limits::kMaximumScriptBytes);
  if (!text) return nullptr;
  Result<Json> sidecar = mcp::parse_json(text.value());
  return sidecar.ok() ? sidecar.take() : Json(nullptr);
}

// --- saving ------------------------------------------------------------------------------------

Result<ScriptLibrary::Written> ScriptLibrary::save(const std::string& given,
                                                   const std::string& source, bool overwrite) {
  const std::string name = script_file_name(given);
  if (name.empty()) {
    return Error{ErrorCode::InvalidArgument,
                 fmt::format("'{}' is not the name of a file.\nGive a name such as report.py; "
                             "folders in it are dropped.",
                             given)};
  }
  if (Result<void> made = make_folder(scripts_directory()); !made) return made.error();
  const std::string path = scripts_directory() + "/" + name;
  const bool exists = is_regular_file(path);
  if (exists && !overwrite) {
    return Written{false, path,
                   fmt::format("{} exists and was not changed; overwrite=true replaces it", name)};
  }
  if (Result<void> written = write_text_file(path, source, 0644); !written) return written.error();
  return Written{true, path, fmt::format("{} {}", exists ? "Replaced" : "Saved", name)};
}

std::string find_project_root(const std::string& named) {
  if (!named.empty()) return resolved_path(named, working_directory());
  if (const char* home = getenv("PYTHON_MCP_HOME"); home != nullptr && *home != '\0') {
    return resolved_path(home, working_directory());
  }
  std::string here = working_directory();
  if (here != "/" && access(here.c_str(), W_OK) == 0) return here;
  const char* data = getenv("XDG_DATA_HOME");
  if (data != nullptr && *data == '/') return std::string(data) + "/pyember";
  return resolved_path("~/.local/share/pyember", "/");
}

}  // namespace pyember::host
