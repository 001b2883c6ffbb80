#pragma once

#include "host/upstream/config/definition.h"

namespace pyember::host {

// Whether a definition starts this server, under any of its names: a server that starts itself
// would do so without end. Told by its name, its command and its arguments; a folder that is merely
// named like us is none.
bool is_this_server(const UpstreamDefinition& definition);

}  // namespace pyember::host
