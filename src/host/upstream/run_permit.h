#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "embed/execution.h"
#include "mcp/tool.h"

namespace pyember::host {

class CellClock;
struct RunConsent;
class SavedTools;

// What the code of one cell may ask of upstreams, and what it has asked. One a cell, made when its
// code first asks for something, shared with the calls that it makes. Loop's thread only.
struct RunPermit {
  std::string principal;  // whose it is, as callers over HTTP are told apart; empty: the local one's
  std::string session;
  embed::CellNumber cell = 0;
  // As configured, each once; null: all there are.
  std::shared_ptr<const std::vector<std::string>> servers;
  // The client's call that the cell is run for; expired: nobody can be asked anything.
  std::weak_ptr<mcp::ToolCall> client;
  // Where that call stands in its client's trace, handed on with what is asked of upstreams; null:
  // the client keeps none.
  std::shared_ptr<const mcp::TraceContext> trace;
  // Stands still while a question of the cell is open; null: it has none that could.
  std::shared_ptr<CellClock> clock;
  // Where the tools are that it saves and loads; null: whoever serves it has a place of its own.
  std::shared_ptr<const SavedTools> saved_tools;
  // Of whoever serves it.
  std::size_t calls_made = 0;
  std::shared_ptr<RunConsent> consent;

  // `server`: as configured.
  bool allows(std::string_view server) const {
    return !servers || std::find(servers->begin(), servers->end(), server) != servers->end();
  }
};

}  // namespace pyember::host
