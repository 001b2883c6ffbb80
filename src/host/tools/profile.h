#pragma once

#include <optional>
#include <string_view>

namespace pyember::host {

// Which tools are listed and can be called.
enum class Profile {
  Full,     // everything ("both" is another word for it)
  Scripts,  // the script executor's tools
  Code,     // run_python alone
};

const char* to_string(Profile profile);
std::optional<Profile> parse_profile(std::string_view name);

// The command that is code mode's own, and the name that the server then has for its client.
inline constexpr std::string_view kCodeModeProgram = "mcp-server-code-execution-mode";

// "pyember" of "/usr/bin/pyember".
std::string_view name_of_program(std::string_view path);

// The profile that the name a program was started under stands for (argv[0], with or without a
// folder): the script executor's commands list its tools, code mode's its one. Everything else:
// full.
Profile profile_of_program(std::string_view program);

}  // namespace pyember::host
