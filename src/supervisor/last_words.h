#pragma once

#include <string_view>

#include "journal/journal_memory.h"

namespace pyember::supervisor {

// Answers every request that is in the journal, and what waits on descriptor 0, with an error that
// says this, on descriptor 1.
void answer_everything(journal::JournalMemory& memory, std::string_view why);

}  // namespace pyember::supervisor
