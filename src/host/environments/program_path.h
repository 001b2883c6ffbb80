#pragma once

#include <string>
#include <string_view>

namespace pyember::host {

// A file that may be run.
bool is_program(const std::string& path);

// The program of that name, absolute; empty: it is not on PATH. Relative entries of PATH are left
// out: what they mean changes with the working directory.
std::string program_on_path(std::string_view name);

}  // namespace pyember::host
