#pragma once

#include <cstdint>

#include "journal/input_log.h"
#include "journal/journal_memory.h"
#include "journal/life.h"
#include "journal/output_log.h"
#include "journal/request_log.h"
#include "journal/session_log.h"
#include "journal/text_log.h"

namespace pyember::journal {

// What must outlive a server that dies: what it had read and not dealt with, the requests it had
// not answered, what it had not sent, and a little state. In memory that its supervisor holds on
// to, so that the next server finds it; a server without a supervisor uses memory of its own in the
// same way.
struct Journal {
  explicit Journal(JournalMemory& memory);

  InputLog input;
  RequestLog requests;
  OutputLog output;
  TextLog protocol;  // of mcp::Server
  SessionLog sessions;
  Life life;
};

}  // namespace pyember::journal
