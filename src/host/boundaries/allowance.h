#pragma once

#include <vector>

#include "host/boundaries/allowed_hosts.h"
#include "host/boundaries/allowed_paths.h"

namespace pyember::host {

// What code behind a boundary may reach besides: of the network, of the machine's files. Empty:
// nothing, which is the default.
struct Allowance {
  std::vector<AllowedHost> hosts;
  std::vector<AllowedPath> paths;
};

}  // namespace pyember::host
