#include "embed/kept_descriptor.h"
#include "embed/session_slot.h"

// These tests have no embedded sessions: no thread runs session code, and none has a descriptor
// table of its own.
namespace pyember::embed {

thread_local constinit SessionSlot* current_slot = nullptr;

int preferred_kept_descriptor() noexcept { return 3; }
void keep_descriptor(int) noexcept {}
int kept_descriptor() noexcept { return -1; }

}  // namespace pyember::embed
