#pragma once

#include <string_view>
#include <vector>

namespace pyember::mcp {

// The candidate a misspelt name was most likely meant to be; empty if none is near.
std::string_view nearest_name(std::string_view name,
                              const std::vector<std::string_view>& candidates);

}  // namespace pyember::mcp
