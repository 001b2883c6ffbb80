#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "host/boundaries/container_settings.h"
#include "host/tools/output_mode.h"

namespace pyember::host {

// What people who come from the bridge have set for it, and profile code takes over. Options and
// variables of our own come before all of these. Those of the containers themselves are read by
// read_container_settings; a variable that is set to nothing counts as not set.
//
//   MCP_BRIDGE_RUNTIME          podman, docker, a program's path: sessions are containers
//   MCP_BRIDGE_TIMEOUT          seconds of a run that names none
//   MCP_BRIDGE_MAX_TIMEOUT      the most a run may ask for; never less than MCP_BRIDGE_TIMEOUT
//   MCP_BRIDGE_OUTPUT_MODE      compact, toon
//   MCP_BRIDGE_SESSION_PERSIST  false: each run has a session of its own
//   MCP_BRIDGE_LOG_LEVEL        DEBUG, INFO, WARNING, ERROR, CRITICAL
struct BridgeSettings {
  bool containers = false;
  std::chrono::milliseconds timeout{};
  std::chrono::milliseconds maximum_timeout{};
  OutputMode output_mode = OutputMode::Compact;
  bool sessions_stay = true;
  std::string log_level;              // as --log-level has it; empty: not set
  std::vector<std::string> warnings;  // about values that can't be used; the defaults hold
};

BridgeSettings read_bridge_settings(const Variables& variables);
BridgeSettings read_bridge_settings();  // from this process's environment

}  // namespace pyember::host
