#pragma once

#include <string>
#include <utility>
#include <vector>

#include "mcp/json.h"

// JSON schemas and annotations, as listings of tools are written with them.
namespace pyember::host {

mcp::Json text_type();
mcp::Json type(const char* name);
mcp::Json nullable(const char* name);
mcp::Json list_of(mcp::Json items);
// All members named are required unless their name ends with '?'.
mcp::Json object_of(const std::vector<std::pair<const char*, mcp::Json>>& members);
// A root of type object that is one of these.
mcp::Json one_of(std::vector<mcp::Json> schemas);
// A list, which structured answers wrap as {"result": […]}.
mcp::Json wrapped_list(mcp::Json items);
mcp::Json described(const char* type, const char* description);
// The argument that names a session: over HTTP it stands in the header Mcp-Param-Session as well,
// so that who stands between can send a session's calls to the same place.
mcp::Json session_argument(const char* description = "default 'main'");

// All of MCP's annotations, for a tool that touches the server's own sessions and files only.
struct Hints {
  bool read_only = false;
  bool destructive = false;
  bool idempotent = false;
  bool open_world = false;
};
mcp::Json annotations(Hints hints);

}  // namespace pyember::host
