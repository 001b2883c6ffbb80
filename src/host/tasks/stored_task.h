#pragma once

#include <optional>

#include "host/runs/process_identity.h"
#include "mcp/json.h"
#include "mcp/task_keeper.h"

namespace pyember::host {

// A task as it lies on the disk.
struct StoredTask {
  mcp::TaskRecord task;
  ProcessIdentity server;  // which holds it
};

mcp::Json to_json(const StoredTask& stored);

// Nullopt: it is no such record. What is missing or malformed in it gets its default.
std::optional<StoredTask> stored_task_from(const mcp::Json& json);

}  // namespace pyember::host
