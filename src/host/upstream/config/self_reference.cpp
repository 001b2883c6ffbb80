#include "host/upstream/config/self_reference.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <string_view>

namespace pyember::host {

namespace fs = std::filesystem;

namespace {

// Lower case, with '-' for '_': packages and modules of one program differ in that.
std::string folded(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](unsigned char c) {
    return c == '_' ? '-' : static_cast<char>(std::tolower(c));
  });
  return result;
}

constexpr std::array<std::string_view, 5> kOurNames = {
    "pyember", "python-executor-mcp", "python-mcp-server", "mcp-code-execution-mode",
    "mcp-server-code-execution-mode"};

bool is_our_name(std::string_view text) {
  std::string name = folded(text);
  if (name.ends_with(".exe")) name.resize(name.size() - 4);
  return std::find(kOurNames.begin(), kOurNames.end(), name) != kOurNames.end();
}

bool is_our_program(const std::string& path) {
  std::error_code failed;
  return path.find('/') != std::string::npos && fs::is_regular_file(path, failed) &&
         fs::equivalent(path, "/proc/self/exe", failed);
}

// A requirement as installers take it, "pyember[extra]==1.0", "pyember@latest": its name.
std::string_view required_name(std::string_view argument) {
  return argument.substr(0, argument.find_first_of("[=<>~!@ "));
}

bool argument_is_ours(const std::string& argument) {
  const std::string name = folded(argument);
  // Nobody names anything else so, wherever it stands: a repository's address, a path, an image.
  for (const std::string_view whole :
       {"mcp-server-code-execution-mode", "mcp-code-execution-mode", "python-executor-mcp"}) {
    if (name.find(whole) != std::string::npos) return true;
  }
  if (is_our_name(required_name(argument))) return true;
  std::error_code failed;
  return is_our_name(fs::path(argument).filename().string()) &&
         fs::is_regular_file(argument, failed);
}

}  // namespace

bool is_this_server(const UpstreamDefinition& definition) {
  if (is_our_name(definition.name)) return true;
  if (definition.kind != UpstreamDefinition::Kind::Stdio) return false;
  return is_our_name(fs::path(definition.command).filename().string()) ||
         is_our_program(definition.command) ||
         std::any_of(definition.arguments.begin(), definition.arguments.end(), argument_is_ours);
}

}  // namespace pyember::host
