#include "embed/session_slot.h"

// These tests have no embedded sessions: no thread runs session code.
namespace pyember::embed {

thread_local constinit SessionSlot* current_slot = nullptr;

}  // namespace pyember::embed
