// Systems without bubblewrap.

#include "host/boundaries/bubblewrap.h"
#include "host/boundaries/fence.h"

namespace pyember::host {

Result<void> sandbox_available() {
  return Error{ErrorCode::Unavailable,
               "The sandbox can't be used: it is made of what only Linux has. Use the isolation "
               "\"container\", or run the server on Linux."};
}

Result<SandboxCommand> sandbox_command(const SandboxPlan&, std::vector<std::string>) {
  return sandbox_available().error();
}

std::string find_bubblewrap() { return {}; }

Result<void> fence_available() { return sandbox_available(); }

Result<SandboxCommand> fenced_command(const SandboxPlan&, const FencedFolders&,
                                      std::vector<std::string>) {
  return sandbox_available().error();
}

}  // namespace pyember::host
