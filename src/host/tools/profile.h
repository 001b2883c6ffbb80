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

// The profile that the name a program was started under stands for (argv[0], with or without a
// folder): the script executor's commands list its tools. Everything else: full.
Profile profile_of_program(std::string_view program);

}  // namespace pyember::host
