#pragma once

#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "host/upstream/config/definition.h"
#include "host/upstream/tools/tool_description.h"
#include "mcp/json.h"
#include "support/catch.h"

namespace pyember::host {

inline mcp::Json json(std::string_view text) {
  return mcp::parse_json(text, {64, 16'384, 4u << 20}).value();  // as of upstreams
}

inline UpstreamDefinition definition_of(const std::string& name) {
  UpstreamDefinition definition;
  definition.name = name;
  definition.alias = name;
  for (char& c : definition.alias) {
    if (c == '-') c = '_';
  }
  return definition;
}

inline SharedTools tools_of(const std::string& server, std::string_view list) {
  return std::make_shared<const ServerTools>(read_tools(definition_of(server), json(list)));
}

// One tool, with the schema of its arguments.
inline ServerTools tool_with(std::string_view input_schema) {
  const mcp::Json entry = {{"name", "do_it"}, {"inputSchema", json(input_schema)}};
  return read_tools(definition_of("server"), mcp::Json::array({entry}));
}

inline mcp::Json read_json(const std::string& name) {
  std::ifstream file(std::string(PYEMBER_TEST_SEARCH) + '/' + name);
  std::stringstream text;
  text << file.rdbuf();
  return mcp::parse_json(text.str()).value();
}

// 1,334 tools of 57 servers.
inline std::vector<SharedTools> catalogue() {
  std::vector<SharedTools> servers;
  for (const char* file : {"real_tools.json", "imagined_tools.json"}) {
    for (const mcp::Json& server : read_json(file)) {
      UpstreamDefinition definition = definition_of(server.at("server"));
      definition.description = server.at("description");
      servers.push_back(
          std::make_shared<const ServerTools>(read_tools(definition, server.at("tools"))));
    }
  }
  return servers;
}

}  // namespace pyember::host
