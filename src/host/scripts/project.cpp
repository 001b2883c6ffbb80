#include "host/scripts/project.h"

#include <cctype>

#include "base/limits.h"
#include "host/scripts/text_file.h"

namespace pyember::host {

namespace {

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

// The N.N that begins at `at`; empty: there is none.
std::string version_at(std::string_view text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && is_digit(text[end])) ++end;
  if (end == at || end + 1 >= text.size() || text[end] != '.' || !is_digit(text[end + 1]))
    return {};
  ++end;
  while (end < text.size() && is_digit(text[end])) ++end;
  return std::string(text.substr(at, end - at));
}

// What comes between the quotes after `requires-python =`.
std::optional<std::string> quoted_requirement(std::string_view toml) {
  constexpr std::string_view kKey = "requires-python";
  for (std::size_t at = toml.find(kKey); at != std::string_view::npos;
       at = toml.find(kKey, at + 1)) {
    if (at > 0 && toml[at - 1] != '\n' && toml[at - 1] != ' ' && toml[at - 1] != '\t') continue;
    std::size_t next = toml.find_first_not_of(" \t", at + kKey.size());
    if (next == std::string_view::npos || toml[next] != '=') continue;
    next = toml.find_first_not_of(" \t", next + 1);
    if (next == std::string_view::npos || (toml[next] != '"' && toml[next] != '\'')) continue;
    const std::size_t end = toml.find(toml[next], next + 1);
    if (end != std::string_view::npos) return std::string(toml.substr(next + 1, end - next - 1));
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> find_project(const std::string& directory) {
  std::string folder = directory;
  for (;;) {
    const std::string prefix = folder == "/" ? "/" : folder + "/";
    if (is_regular_file(prefix + "pyproject.toml") || is_regular_file(prefix + "uv.toml")) {
      return folder;
    }
    if (folder == "/" || folder.empty()) return std::nullopt;
    const std::size_t slash = folder.rfind('/');
    folder = slash == 0 || slash == std::string::npos ? "/" : folder.substr(0, slash);
  }
}

std::optional<std::string> minor_version_in(std::string_view specifier) {
  std::optional<std::string> first;
  for (std::size_t at = 0; at < specifier.size(); ++at) {
    if (!is_digit(specifier[at]) ||
        (at > 0 && (is_digit(specifier[at - 1]) || specifier[at - 1] == '.'))) {
      continue;
    }
    const std::string version = version_at(specifier, at);
    if (version.empty()) continue;
    const std::size_t before = specifier.find_last_not_of(' ', at == 0 ? 0 : at - 1);
    const char sign = at == 0 || before == std::string_view::npos ? ' ' : specifier[before];
    const char two = before > 0 && before != std::string_view::npos ? specifier[before - 1] : ' ';
    const bool upper = sign == '<' || (sign == '=' && (two == '<' || two == '!'));
    if (!upper) return version;
    if (!first) first = version;
  }
  return first;
}

std::optional<std::string> required_python(const std::string& directory) {
  if (is_regular_file(directory + "/.python-version")) return std::nullopt;
  const Result<std::string> toml =
      read_text_file(directory + "/pyproject.toml", limits::kMaximumScriptBytes);
  if (!toml) return std::nullopt;
  const std::optional<std::string> requirement = quoted_requirement(toml.value());
  return requirement ? minor_version_in(*requirement) : std::nullopt;
}

}  // namespace pyember::host
