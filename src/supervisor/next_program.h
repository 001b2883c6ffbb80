#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "journal/journal_memory.h"

namespace pyember::supervisor {

// How a supervising process becomes another program (`pyember upgrade`) and keeps what it has: its
// id, the client's pipe, the runners of jobs below it, and the journal.

// Becomes the program, with the same arguments and environment. Returns only when that fails; then
// everything is as it was.
Error become(const std::string& program, char** arguments, journal::JournalMemory& memory);

// The journal of the program before this one; nothing when there was none. Call it once, at the
// very start.
std::optional<Result<journal::JournalMemory>> inherited_journal();

}  // namespace pyember::supervisor
