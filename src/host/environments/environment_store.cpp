#include "host/environments/environment_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <utility>

#include "base/descriptor.h"
#include "base/iso_time.h"
#include "base/limits.h"
#include "mcp/json.h"
#include "mcp/json_members.h"

namespace pyember::host {

namespace fs = std::filesystem;
using mcp::Json;
using mcp::number_in;
using mcp::text_in;
using mcp::texts_in;

namespace {

constexpr const char* kStamp = "/pyember.json";
constexpr int kStampVersion = 1;
constexpr const char* kHidden = ".";  // first character of what is no environment
constexpr std::string_view kWorkshop = ".making-";
constexpr std::string_view kTrash = ".gone-";

std::optional<Json> read_json(const std::string& path) {
  std::error_code failed;
  const auto size = fs::file_size(path, failed);
  if (failed || size > limits::kMaximumStampBytes) return std::nullopt;
  std::string text(size, '\0');
  std::ifstream file(path, std::ios::binary);
  if (!file.read(text.data(), static_cast<std::streamsize>(size))) return std::nullopt;
  mcp::JsonBounds bounds = mcp::JsonBounds::standard();
  bounds.members = limits::kMaximumServiceMembers;
  Result<Json> parsed = mcp::parse_json(text, bounds);
  if (!parsed || !parsed.value().is_object()) return std::nullopt;
  return parsed.take();
}

bool write_json(const std::string& path, const Json& value) {
  static std::atomic<unsigned> serial{0};
  const std::string aside = fmt::format("{}.{}-{}", path, getpid(), ++serial);
  {
    std::ofstream file(aside, std::ios::binary | std::ios::trunc);
    file << mcp::to_json_text(value) << '\n';
    if (!file.flush()) return false;
  }
  return ::rename(aside.c_str(), path.c_str()) == 0;
}

// A stamp of our version, in an environment whose interpreter is still there.
std::optional<Json> stamp_of(const std::string& root) {
  if (access((root + "/bin/python").c_str(), X_OK) != 0) return std::nullopt;
  std::optional<Json> stamp = read_json(root + kStamp);
  if (!stamp || number_in(*stamp, "version") != kStampVersion) return std::nullopt;
  return stamp;
}

// A lock on the folder that any server may share and that ends with its process; see is_used().
std::shared_ptr<const void> note_use(const std::string& root) {
  auto folder =
      std::make_shared<Descriptor>(open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder->valid() || flock(folder->get(), LOCK_SH | LOCK_NB) != 0) return nullptr;
  return folder;
}

// Some session has it, of this server or another.
bool is_used(const std::string& root) {
  const Descriptor folder(open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return folder.valid() && flock(folder.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

ReadyEnvironment ready(const std::string& id, const std::string& root, const Json& stamp) {
  ReadyEnvironment found;
  found.id = id;
  found.root = root;
  found.python = root + "/bin/python";
  found.version = text_in(stamp, "python");
  found.locked = texts_in(stamp, "locked");
  found.in_use = note_use(root);
  return found;
}

bool same_key(const Json& stamp, const EnvironmentKey& key) {
  return text_in(stamp, "key") == id_of(key);
}

// Steps by increment(): the iterators' operators throw when a folder changes under them.
template <typename Iterator, typename Visit>
void each_entry(const fs::path& folder, Visit visit) {
  std::error_code failed;
  for (Iterator entry(folder, failed), end; !failed && entry != end; entry.increment(failed)) {
    visit(entry->path());
  }
}

// name==version of what is installed, as `uv pip freeze` would list it: the names of the
// *.dist-info folders say it without starting anything.
std::vector<std::string> installed_in(const fs::path& site_packages) {
  std::vector<std::string> found;
  each_entry<fs::directory_iterator>(site_packages, [&found](const fs::path& path) {
    std::string name = path.filename().string();
    constexpr std::string_view kSuffix = ".dist-info";
    if (!name.ends_with(kSuffix)) return;
    name.resize(name.size() - kSuffix.size());
    const std::size_t dash = name.rfind('-');
    if (dash == std::string::npos) return;
    std::string project = name.substr(0, dash);
    std::transform(project.begin(), project.end(), project.begin(),
                   [](unsigned char c) { return c == '_' ? '-' : std::tolower(c); });
    found.push_back(project + "==" + name.substr(dash + 1));
  });
  std::sort(found.begin(), found.end());
  return found;
}

fs::path site_packages(const std::string& root) {
  fs::path found;
  each_entry<fs::directory_iterator>(root + "/lib", [&found](const fs::path& path) {
    std::error_code failed;
    if (fs::is_directory(path / "site-packages", failed)) found = path / "site-packages";
  });
  return found;
}

// "version_info = 3.12.4", written by uv.
std::string python_version_of(const std::string& root) {
  std::ifstream file(root + "/pyvenv.cfg");
  for (std::string line; std::getline(file, line);) {
    const std::size_t equals = line.find('=');
    if (!line.starts_with("version") || equals == std::string::npos) continue;
    const std::size_t first = line.find_first_not_of(" \t", equals + 1);
    const std::size_t last = line.find_last_not_of(" \t\r");
    if (first != std::string::npos) return line.substr(first, last - first + 1);
  }
  return {};
}

std::uint64_t bytes_in(const std::string& root) {
  std::uint64_t bytes = 0;
  each_entry<fs::recursive_directory_iterator>(root, [&bytes](const fs::path& path) {
    struct stat status {};
    if (lstat(path.c_str(), &status) == 0) {
      bytes += static_cast<std::uint64_t>(status.st_blocks) * 512;
    }
  });
  return bytes;
}

double modified(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return 0;
  return static_cast<double>(status.st_mtim.tv_sec) +
         static_cast<double>(status.st_mtim.tv_nsec) / 1e9;
}

// Some process was started with a program of this environment.
bool is_running(const std::string& root) {
  bool found = false;
  const std::string prefix = root + "/";
  each_entry<fs::directory_iterator>("/proc", [&](const fs::path& path) {
    const std::string name = path.filename().string();
    if (found || name.find_first_not_of("0123456789") != std::string::npos) return;
    std::ifstream file(path / "cmdline", std::ios::binary);
    std::string program(prefix.size(), '\0');
    file.read(program.data(), static_cast<std::streamsize>(program.size()));
    found = file.gcount() == static_cast<std::streamsize>(prefix.size()) && program == prefix;
  });
  return found;
}

std::uint64_t fnv(std::string_view bytes, std::uint64_t hash) {
  for (const unsigned char byte : bytes) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

// Half made, or on its way out, and its server is gone or has forgotten it.
bool is_abandoned(const fs::path& path) {
  const std::string name = path.filename().string();
  if (name.starts_with(kTrash)) return true;
  if (!name.starts_with(kWorkshop)) return false;
  const int pid = atoi(name.c_str() + kWorkshop.size());
  const double age = unix_now() - modified(path.string());
  const bool dead = pid <= 0 || (kill(pid, 0) != 0 && errno == ESRCH);
  return (dead && age > 60) ||
         age > 2 * std::chrono::duration<double>(limits::kSetUpDeadline).count();
}

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

Error unusable(const std::string& dependency, const std::string& why) {
  return {ErrorCode::InvalidArgument,
          fmt::format("ValueError: the dependency '{}' can't be used: {}. Give each dependency as "
                      "one requirement, such as 'requests' or 'requests>=2,<3'.",
                      without_credentials(dependency.substr(0, 200)), why)};
}

std::string new_name(std::string_view kind) {
  static std::atomic<unsigned> serial{0};
  return fmt::format("{}{}-{}-{:x}", kind, getpid(), ++serial,
                     std::chrono::steady_clock::now().time_since_epoch().count() & 0xffffff);
}

}  // namespace

// --- ready ones ------------------------------------------------------------------------------

std::optional<ReadyEnvironment> EnvironmentStore::find(const std::string& id,
                                                       const EnvironmentKey& key) const {
  const std::optional<Json> stamp = stamp_of(root(id));
  if (!stamp || !same_key(*stamp, key)) return std::nullopt;
  utimensat(AT_FDCWD, (root(id) + kStamp).c_str(), nullptr, 0);  // used now
  return ready(id, root(id), *stamp);
}

bool EnvironmentStore::exists(const std::string& id) const {
  return stamp_of(root(id)).has_value();
}

std::optional<ReadyEnvironment> EnvironmentStore::interpreter(const std::string& version) const {
  const std::optional<Json> known = read_json(directory_ + "/interpreters.json");
  if (!known) return std::nullopt;
  const auto found = known->find(version);
  if (found == known->end() || !found->is_object()) return std::nullopt;
  ReadyEnvironment interpreter;
  interpreter.python = text_in(*found, "python");
  interpreter.version = text_in(*found, "version");
  if (access(interpreter.python.c_str(), X_OK) != 0) return std::nullopt;
  return interpreter;
}

void EnvironmentStore::remember_interpreter(const std::string& version,
                                            const ReadyEnvironment& found) const {
  std::error_code failed;
  fs::create_directories(directory_, failed);
  Json known = read_json(directory_ + "/interpreters.json").value_or(Json::object());
  if (known.size() >= limits::kMaximumDependencies) known = Json::object();
  known[version] = {{"python", found.python}, {"version", found.version}};
  write_json(directory_ + "/interpreters.json", known);
}

// --- making ------------------------------------------------------------------------------------

Result<std::string> EnvironmentStore::new_workshop() const {
  std::error_code failed;
  fs::create_directories(directory_, failed);
  if (failed) {
    return Error{ErrorCode::Unavailable,
                 fmt::format("OSError: no environment could be made: the folder {} can't be "
                             "created ({}). Make it writable, or set XDG_CACHE_HOME to a folder "
                             "that is.",
                             directory_, failed.message())};
  }
  return directory_ + "/" + new_name(kWorkshop);
}

Result<ReadyEnvironment> EnvironmentStore::complete(const std::string& workshop,
                                                    const std::string& id, const std::string& name,
                                                    const EnvironmentKey& key) const {
  Json dependencies = Json::array();
  for (const std::string& each : key.dependencies)
    dependencies.push_back(without_credentials(each));
  Json stamp = {{"version", kStampVersion},
                {"key", id_of(key)},
                {"name", name},
                {"dependencies", std::move(dependencies)},
                {"python", python_version_of(workshop)},
                {"locked", installed_in(site_packages(workshop))},
                {"created", unix_now()},
                {"bytes", bytes_in(workshop)}};
  const Error failure{ErrorCode::Unavailable,
                      fmt::format("OSError: the environment was made but could not be put into {}. "
                                  "Look whether the disk is full and the folder writable.",
                                  directory_)};
  if (!write_json(workshop + kStamp, stamp)) return failure;
  // Twice: what lies there may be broken, or another server's that is ready.
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (::rename(workshop.c_str(), root(id).c_str()) == 0) return ready(id, root(id), stamp);
    if (auto other = find(id, key)) {
      discard(workshop);
      return *other;
    }
    const std::string aside = directory_ + "/" + new_name(kTrash);
    if (::rename(root(id).c_str(), aside.c_str()) == 0) discard(aside);
  }
  return failure;
}

void EnvironmentStore::discard(const std::string& folder) {
  std::error_code failed;
  fs::remove_all(folder, failed);
}

// --- all of them ---------------------------------------------------------------------------------

std::vector<EnvironmentEntry> EnvironmentStore::list() const {
  std::vector<EnvironmentEntry> found;
  each_entry<fs::directory_iterator>(directory_, [this, &found](const fs::path& path) {
    const std::string id = path.filename().string();
    if (id.starts_with(kHidden)) return;
    const std::optional<Json> stamp = stamp_of(root(id));
    if (!stamp) return;
    EnvironmentEntry entry;
    entry.id = id;
    entry.name = text_in(*stamp, "name");
    entry.python_version = text_in(*stamp, "python");
    entry.dependencies = texts_in(*stamp, "dependencies");
    entry.locked = texts_in(*stamp, "locked");
    entry.created_at = number_in(*stamp, "created");
    entry.used_at = modified(root(id) + kStamp);
    entry.bytes = static_cast<std::uint64_t>(number_in(*stamp, "bytes"));
    found.push_back(std::move(entry));
  });
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.used_at > b.used_at; });
  return found;
}

Result<std::string> EnvironmentStore::take_away(const std::string& id_or_name) const {
  for (const EnvironmentEntry& entry : list()) {
    if (entry.id != id_or_name && (entry.name.empty() || entry.name != id_or_name)) continue;
    if (is_running(root(entry.id)) || is_used(root(entry.id))) {
      return Error{ErrorCode::Unavailable,
                   fmt::format("The environment '{}' was not removed: a program or a session runs "
                               "with it. Wait for it, cancel its job or close the session, then "
                               "try again.",
                               id_or_name)};
    }
    const std::string aside = directory_ + "/" + new_name(kTrash);
    if (::rename(root(entry.id).c_str(), aside.c_str()) == 0) return aside;
    return Error{ErrorCode::Unavailable,
                 fmt::format("The environment '{}' could not be removed from {}. Look whether the "
                             "folder is writable.",
                             id_or_name, directory_)};
  }
  return Error{ErrorCode::NotFound,
               fmt::format("There is no environment '{}'. environment_cache_list shows those there "
                           "are.",
                           id_or_name.substr(0, 80))};
}

void EnvironmentStore::prune(std::uint64_t maximum_bytes) const {
  each_entry<fs::directory_iterator>(directory_, [](const fs::path& path) {
    if (is_abandoned(path)) discard(path.string());
  });
  std::vector<EnvironmentEntry> entries = list();  // newest use first
  std::uint64_t bytes = 0;
  for (const EnvironmentEntry& entry : entries) bytes += entry.bytes;
  const double recently =
      unix_now() - std::chrono::duration<double>(limits::kEnvironmentInUse).count();
  while (bytes > maximum_bytes && !entries.empty()) {
    const EnvironmentEntry entry = std::move(entries.back());
    entries.pop_back();
    if (!entry.name.empty() || entry.used_at > recently || is_running(root(entry.id)) ||
        is_used(root(entry.id))) {
      continue;
    }
    const std::string aside = directory_ + "/" + new_name(kTrash);
    if (::rename(root(entry.id).c_str(), aside.c_str()) != 0) continue;
    discard(aside);
    bytes -= std::min(bytes, entry.bytes);
  }
}

// --- keys ----------------------------------------------------------------------------------------

namespace {

// "3", "3.12", "3.12.4", "3.14t"; short enough to be no folder's id.
bool is_version(std::string_view text) {
  if (text.ends_with('t')) text.remove_suffix(1);
  return !text.empty() && text.size() <= 12 && text.front() != '.' &&
         text.find_first_not_of("0123456789.") == std::string_view::npos;
}

// ">=3.11,<3.14", as projects require it.
bool is_specifier(std::string_view text) {
  return !text.empty() && std::string_view("<>=!~").find(text.front()) != std::string_view::npos &&
         text.find_first_not_of("<>=!~0123456789., *") == std::string_view::npos;
}

// A name of the index with what may follow one (extras, versions, markers), or a wheel by https.
bool is_fetched(std::string_view requirement) {
  const auto is_wheel = [](std::string_view address) {
    address = address.substr(0, address.find_first_of("#; "));
    return address.starts_with("https://") && address.ends_with(".whl");
  };
  if (requirement.starts_with("https://")) return is_wheel(requirement);
  const std::size_t at = requirement.find('@');
  if (requirement.substr(0, at).find_first_of("/\\:") != std::string_view::npos) return false;
  if (at == std::string_view::npos) return true;
  const std::size_t begin = requirement.find_first_not_of(' ', at + 1);
  return begin != std::string_view::npos && is_wheel(requirement.substr(begin));
}

// What is made for code behind a boundary: nothing that the caller names runs outside of it, or is
// read from this machine.
Result<void> check_bounded(const EnvironmentKey& key) {
  for (const std::string& each : key.dependencies) {
    if (is_fetched(each)) continue;
    return unusable(each, "behind a boundary packages come from the index, or by https as a wheel");
  }
  const std::string& version = key.python_version;
  if (version.empty() || version == PYEMBER_PYTHON_EXECUTABLE || is_version(version) ||
      is_specifier(version)) {
    return {};
  }
  return Error{ErrorCode::InvalidArgument,
               fmt::format("ValueError: python_version='{}' can't be used: behind a boundary it is "
                           "a version, and no program that a call names is run outside of it. Give "
                           "one such as '3.12'.",
                           version.substr(0, 80))};
}

}  // namespace

Result<EnvironmentKey> normalised(EnvironmentKey key) {
  if (key.dependencies.size() > limits::kMaximumDependencies) {
    return Error{ErrorCode::InvalidArgument,
                 fmt::format("ValueError: {} dependencies are too many: the limit is {}. Name only "
                             "what the script imports; the rest follows by itself.",
                             key.dependencies.size(), limits::kMaximumDependencies)};
  }
  for (std::string& dependency : key.dependencies) {
    dependency = trimmed(dependency);
    if (dependency.empty()) return unusable(dependency, "it is empty");
    if (dependency.size() > limits::kMaximumDependencyBytes) {
      return unusable(dependency, "it is too long");
    }
    if (dependency.front() == '-') return unusable(dependency, "it would be an option of uv");
    if (dependency.front() == '.' || dependency.front() == '~') {
      return unusable(dependency, "it is a path, and not an absolute one");
    }
    const bool control = std::any_of(dependency.begin(), dependency.end(),
                                     [](unsigned char c) { return c < 0x20 || c == 0x7f; });
    if (control) return unusable(dependency, "it holds a line break or a control character");
  }
  std::sort(key.dependencies.begin(), key.dependencies.end());
  key.dependencies.erase(std::unique(key.dependencies.begin(), key.dependencies.end()),
                         key.dependencies.end());
  key.python_version = trimmed(key.python_version);
  const std::string& version = key.python_version;
  const bool plain = version.size() <= limits::kMaximumDependencyBytes &&
                     !version.starts_with('-') &&
                     std::none_of(version.begin(), version.end(),
                                  [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (!plain) {
    return Error{ErrorCode::InvalidArgument,
                 "ValueError: the Python version can't be used: it is no version and no path. "
                 "Give a version such as '3.12', or leave it out."};
  }
  if (key.wheels_only) {
    if (auto bounded = check_bounded(key); !bounded) return bounded.error();
  }
  return key;
}

std::string id_of(const EnvironmentKey& key) {
  std::string all = key.python_version;
  for (const std::string& each : key.dependencies) all += '\n' + each;
  if (!key.resolved_on.empty()) all += "\n\n" + key.resolved_on;
  if (key.wheels_only && !key.dependencies.empty()) all += "\n\nchecked wheels";
  return fmt::format("{:016x}{:08x}", fnv(all, 0xcbf29ce484222325),
                     static_cast<std::uint32_t>(fnv(all, 0x9e3779b97f4a7c15)));
}

Result<std::string> id_of_name(const std::string& name) {
  const bool fits = !name.empty() && name.size() <= limits::kMaximumSessionNameBytes &&
                    name.find_first_not_of(
                        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                        "0123456789_.-") == std::string::npos;
  if (fits) return "named-" + name;
  return Error{ErrorCode::InvalidArgument,
               fmt::format("ValueError: the name '{}' can't be used for an environment: a name is "
                           "1 to {} letters, digits, '_', '.' or '-'. Choose such a name.",
                           name.substr(0, 80), limits::kMaximumSessionNameBytes)};
}

std::string without_credentials(std::string text) {
  for (std::size_t at = 0; (at = text.find("://", at)) != std::string::npos;) {
    at += 3;
    const std::size_t end = std::min(text.find_first_of(" /?#'\"`\n", at), text.size());
    const std::size_t sign = text.rfind('@', end == 0 ? 0 : end - 1);
    if (sign != std::string::npos && sign >= at && sign < end) text.replace(at, sign - at, "***");
  }
  return text;
}

}  // namespace pyember::host
