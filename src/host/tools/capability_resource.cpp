#include "host/tools/capability_resource.h"

#include <fmt/format.h>

#include "host/tools/code_texts.h"

namespace pyember::host {

namespace {

constexpr const char* kMarkdown = "text/markdown";

// The headings, the hint and the address are what clients look for.
constexpr std::string_view kText = R"(# Code Execution MCP Capabilities

{}

## Quick use

- Every configured server can be called from the first line on; `servers=["name"]` allows those alone.
- `import mcp.runtime as runtime`, `from mcp import mcp_github` and `from mcp.servers.github import create_issue` work; `runtime`, `mcp_servers` and `save_tool` need no import.
- Helpers that end in `_sync` (`runtime.list_tools_sync("github")`) answer from what is cached, without `await`.
- A tool that fails raises `MCPError`. Results are plain values; `.raw` is the whole answer.
- Variables, imports and `/tmp` stay for the next call; other paths but `/workspace` are read-only in the sandbox, and there is no network.
- `runtime.describe_server("github")["cwd"]` is the folder a server runs in: relative paths given to its tools begin there.

This page: {}
)";

}  // namespace

std::string CapabilityResource::text() { return fmt::format(kText, kHelperHint, kCapabilityUri); }

std::vector<mcp::Resource> CapabilityResource::list(std::string_view after, std::size_t limit) {
  if (limit == 0 || after >= kCapabilityUri) return {};
  mcp::Resource resource;
  resource.uri = kCapabilityUri;
  resource.name = "code-execution-capabilities";
  resource.title = "Code Execution Sandbox Helpers";
  resource.description =
      "How code reaches MCP servers: finding tools, calling them, keeping helpers.";
  resource.mime_type = kMarkdown;
  resource.size = text().size();
  return {resource};
}

void CapabilityResource::read(std::string_view uri, mcp::ReadCompletion done) {
  if (uri != kCapabilityUri) {
    // Not NotFound, whose code is another one in the handshake era.
    return done(Error{ErrorCode::InvalidArgument, fmt::format("Unknown resource: {}", uri)});
  }
  mcp::ResourceContent content;
  content.uri = kCapabilityUri;
  content.mime_type = kMarkdown;
  content.data = text();
  std::vector<mcp::ResourceContent> contents;
  contents.push_back(std::move(content));
  done(std::move(contents));
}

}  // namespace pyember::host
