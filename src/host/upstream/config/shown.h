#pragma once

#include <string>
#include <vector>

namespace pyember::host {

// How a server is started, on one line and quoted as a shell wants it, for people: what looks like
// a secret is "***".
std::string shown_command(const std::string& command, const std::vector<std::string>& arguments);

// A URL without user, password, query and such parts of its path as are keys.
std::string shown_url(const std::string& url);

}  // namespace pyember::host
