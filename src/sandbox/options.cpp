#include "sandbox/options.h"

#include <cstdlib>
#include <string_view>

namespace pyember::sandbox {

namespace {

// Takes a number off the end of `text` and the separator before it.
bool cut_number(std::string& text, char separator, int base, std::uint64_t& number) {
  const std::size_t at = text.rfind(separator);
  if (at == std::string::npos || at + 1 == text.size()) return false;
  if (text[at + 1] < '0' || text[at + 1] > '9') return false;
  char* end = nullptr;
  number = std::strtoull(text.c_str() + at + 1, &end, base);
  if (*end != '\0') return false;
  text.resize(at);
  return true;
}

bool read_private_folder(std::string text, Options& options) {
  PrivateFolder folder;
  std::uint64_t mode = 0;
  if (!cut_number(text, ':', 8, mode) || !cut_number(text, ':', 10, folder.inodes) ||
      !cut_number(text, ':', 10, folder.bytes) || !text.starts_with('/')) {
    return false;
  }
  folder.mode = static_cast<mode_t>(mode);
  folder.path = std::move(text);
  options.private_folders.push_back(std::move(folder));
  return true;
}

bool read_limit(std::string text, Options& options) {
  std::uint64_t value = 0;
  if (!cut_number(text, '=', 10, value)) return false;
  const struct {
    std::string_view name;
    decltype(RLIMIT_AS) resource;
  } known[] = {{"address-space", RLIMIT_AS},
               {"core", RLIMIT_CORE},
               {"cpu", RLIMIT_CPU},
               {"file-size", RLIMIT_FSIZE},
               {"open-files", RLIMIT_NOFILE}};
  for (const auto& each : known) {
    if (each.name != text) continue;
    options.limits.push_back({each.resource, value});
    return true;
  }
  return false;
}

bool read_user(const std::string& text, Options& options) {
  std::uint64_t user = 0;
  std::uint64_t group = 0;
  std::string rest = ":" + text;
  if (!cut_number(rest, ':', 10, group) || !cut_number(rest, ':', 10, user) || !rest.empty()) {
    return false;
  }
  options.user = User{static_cast<uid_t>(user), static_cast<gid_t>(group)};
  return true;
}

bool read_number(const std::string& text, std::uint64_t& number) {
  std::string rest = "=" + text;
  return cut_number(rest, '=', 10, number) && rest.empty();
}

// Of an option with one value: whether there is such an option and the value can be used.
bool store(std::string_view name, const std::string& value, Options& options) {
  std::uint64_t number = 0;
  if (name == "--join") return !options.groups.emplace_back(value).empty();
  if (name == "--may-read") return !options.may_read.emplace_back(value).empty();
  if (name == "--may-change") return !options.may_change.emplace_back(value).empty();
  if (name == "--own") return !options.owned.emplace_back(value).empty();
  if (name == "--variables") return !(options.variables = value).empty();
  if (name == "--private") return read_private_folder(value, options);
  if (name == "--limit") return read_limit(value, options);
  if (name == "--user") return read_user(value, options);
  if (name == "--chdir") return !(options.working_directory = value).empty();
  if (!read_number(value, number)) return false;
  if (name == "--show-own-end") return (options.own_end = static_cast<int>(number)) > 2;
  if (name == "--first-process") return (options.end_with = static_cast<int>(number)) > 2;
  if (name == "--processes") return options.processes.emplace(number) > 0;
  if (name != "--confine") return false;
  options.confine = true;
  options.filter = static_cast<int>(number);
  return true;
}

bool set_switch(std::string_view name, Options& options) {
  if (name == "--read-only-root") return options.read_only_root = true;
  if (name == "--outlast-term") return options.outlast_term = true;
  if (name == "--version") return options.tell_version = true;
  return false;
}

}  // namespace

Failure parse(char** arguments, Options& options) {
  char** next = arguments + 1;
  for (; *next != nullptr && std::string_view(*next) != "--"; ++next) {
    const std::string_view name = *next;
    if (set_switch(name, options)) continue;
    if (name == "--text" && next[1] != nullptr && next[2] != nullptr) {
      options.texts.push_back({next[1], next[2]});
      next += 2;
      continue;
    }
    if (next[1] == nullptr || !store(name, next[1], options)) {
      return {"the option " + std::string(name) + " is not known, or its value is of no use"};
    }
    ++next;
  }
  if (*next != nullptr && next[1] != nullptr) options.program = next + 1;
  if (options.program == nullptr && !options.tell_version) {
    return {"no program is named after --"};
  }
  return {};
}

}  // namespace pyember::sandbox
