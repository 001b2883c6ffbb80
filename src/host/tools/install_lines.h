#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "host/session/session_plan.h"

namespace pyember::host {

// Takes the lines that install packages out of `code` and adds what they name to the dependencies:
// "%pip install pandas", "!pip install …", "uv pip install …" and the like, as people type them in
// notebooks and shells. Such a line becomes a comment (a `pass` inside a block), so that lines keep
// their numbers; one inside a string stays. What can't be done this way is an error.
Result<void> take_install_lines(std::string& code, std::unique_ptr<SessionWish>& wish);

}  // namespace pyember::host
