#pragma once

#include <string>
#include <vector>

#include "cli/upstreams/login_upstream.h"

namespace pyember::cli {

// `pyember upstreams`: what was asked for.
struct UpstreamsCommand {
  enum class Action { List, Test, Import, Login };

  Action action = Action::List;
  std::vector<std::string> files;    // of --upstreams, as the server has them
  std::vector<std::string> names;    // list, test: only these; empty: all
  double timeout_seconds = 0;        // test: for the start of each; 0: as the server waits
  std::vector<std::string> allowed;  // import --yes
  std::vector<std::string> removed;  // import --remove
  bool json = false;
  LoginCommand login;
};

// Shows, tries and allows the MCP servers that stand behind this one. Exit codes: 0; 1 when one of
// them could not be started, is not there, or could not be imported.
int manage_upstreams(const UpstreamsCommand& command);

}  // namespace pyember::cli
