#pragma once

#include <string>
#include <vector>

#include "mcp/json.h"

namespace pyember::cli {

// How one client's configuration stands to pyember.
struct ClientConfiguration {
  enum class State { NotThere, Unreadable, WithoutPyember, WithPyember };

  std::string client;
  std::string path;
  State state = State::NotThere;
  std::string detail;  // what is wrong with it, or the command it starts
  bool command_exists = true;
  mcp::Json block;  // what to put into the file
};

const char* to_string(ClientConfiguration::State state);

// Every file in which a known client looks for its servers: the user's, and those of the working
// directory. `command` is what the blocks start, absolute. Nothing is written.
std::vector<ClientConfiguration> find_client_configurations(const std::string& command);

}  // namespace pyember::cli
