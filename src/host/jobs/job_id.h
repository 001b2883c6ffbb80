#pragma once

#include <string>
#include <string_view>

namespace pyember::host {

std::string new_job_id();  // a random UUID (version 4)

// Whether a text has the form of our ids; only such a text may become part of a path.
bool is_job_id(std::string_view text);

}  // namespace pyember::host
