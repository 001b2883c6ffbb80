#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pyember {

// The variables of this process, name and value; entries that are none ("=x", no "=") are left out.
// The views last as long as nobody sets one.
std::vector<std::pair<std::string_view, std::string_view>> own_environment();

// The same as a child is given them: "NAME=value".
std::vector<std::string> own_environment_entries();

}  // namespace pyember
