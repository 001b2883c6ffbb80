#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mcp/json.h"

// Members of a value that somebody else wrote (a record on disk, an answer of a child): one that is
// missing or of another type counts as empty, and so does every member of what is no object.
namespace pyember::mcp {

std::string text_in(const Json& object, std::string_view name);
std::vector<std::string> texts_in(const Json& object, std::string_view name);  // strings only
double number_in(const Json& object, std::string_view name);
bool flag_in(const Json& object, std::string_view name);

}  // namespace pyember::mcp
