#pragma once

#include <string>

namespace pyember::host {

// The folder with the Python packages that the server itself needs (python-dotenv):
// PYEMBER_PACKAGES, else `packages` beside the program, else the site-packages an installed wheel
// lives in. Empty: there is none, and only what needs those packages fails.
std::string find_packages_directory();

}  // namespace pyember::host
