#pragma once

#include <string>

namespace pyember::sandbox {

// Leaves of the environment's variables those that begin with `prefix`, and takes that off. What a
// caller sets for the program would otherwise be set for what runs before it, outside of the
// sandbox, as well: LD_PRELOAD for bubblewrap, say.
void take_variables(const std::string& prefix);

}  // namespace pyember::sandbox
