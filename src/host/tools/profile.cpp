#include "host/tools/profile.h"

namespace pyember::host {

const char* to_string(Profile profile) {
  switch (profile) {
    case Profile::Full:
      return "full";
    case Profile::Scripts:
      return "scripts";
    case Profile::Code:
      return "code";
  }
  return "";
}

std::optional<Profile> parse_profile(std::string_view name) {
  if (name == "full" || name == "both") return Profile::Full;
  if (name == "scripts") return Profile::Scripts;
  if (name == "code") return Profile::Code;
  return std::nullopt;
}

std::string_view name_of_program(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash != std::string_view::npos) path.remove_prefix(slash + 1);
  return path;
}

Profile profile_of_program(std::string_view program) {
  program = name_of_program(program);
  if (program == kCodeModeProgram) return Profile::Code;
  const bool scripts = program == "python-executor-mcp" || program == "python-mcp-server";
  return scripts ? Profile::Scripts : Profile::Full;
}

}  // namespace pyember::host
