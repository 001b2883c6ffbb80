#include "journal/journal.h"

#include "journal/layout.h"

namespace pyember::journal {

Journal::Journal(JournalMemory& memory)
    : input(memory.layout()),
      requests(memory.layout()),
      output(memory),
      protocol(memory.layout().protocol),
      sessions(memory.layout()),
      life(memory.layout()) {}

}  // namespace pyember::journal
