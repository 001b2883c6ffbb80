#include "support/catch.h"

#include <map>
#include <string>

#include "host/bridge_settings.h"

using namespace pyember::host;
using namespace std::chrono_literals;

namespace {

BridgeSettings read(const std::map<std::string, std::string>& variables) {
  return read_bridge_settings([&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

}  // namespace

TEST_CASE("bridge settings: without variables runs take two minutes in sandboxes that stay") {
  const BridgeSettings settings = read({});
  CHECK(!settings.containers);
  CHECK(settings.timeout == 120s);
  CHECK(settings.maximum_timeout == 120s);
  CHECK(settings.output_mode == OutputMode::Compact);
  CHECK(settings.sessions_stay);
  CHECK(settings.log_level.empty());
  CHECK(settings.warnings.empty());
}

TEST_CASE("bridge settings: a runtime that is named means containers; auto and sandbox don't") {
  for (const char* name : {"podman", "docker", "/opt/podman"}) {
    CHECK(read({{"MCP_BRIDGE_RUNTIME", name}}).containers);
  }
  for (const char* name : {"", "auto", "sandbox", "native"}) {
    CHECK(!read({{"MCP_BRIDGE_RUNTIME", name}}).containers);
  }
}

TEST_CASE("bridge settings: the longest timeout is never less than the usual one") {
  CHECK(read({{"MCP_BRIDGE_TIMEOUT", "300"}}).maximum_timeout == 300s);
  CHECK(read({{"MCP_BRIDGE_TIMEOUT", "30"}}).timeout == 30s);
  CHECK(read({{"MCP_BRIDGE_TIMEOUT", "30"}}).maximum_timeout == 120s);
  const BridgeSettings both =
      read({{"MCP_BRIDGE_TIMEOUT", "90"}, {"MCP_BRIDGE_MAX_TIMEOUT", "60"}});
  CHECK(both.timeout == 90s);
  CHECK(both.maximum_timeout == 90s);
}

TEST_CASE("bridge settings: words are read as people write them") {
  CHECK(read({{"MCP_BRIDGE_OUTPUT_MODE", "TOON"}}).output_mode == OutputMode::Toon);
  for (const char* no : {"false", "0", "No", "OFF"}) {
    CHECK(!read({{"MCP_BRIDGE_SESSION_PERSIST", no}}).sessions_stay);
  }
  CHECK(read({{"MCP_BRIDGE_LOG_LEVEL", "WARNING"}}).log_level == "warning");
  CHECK(read({{"MCP_BRIDGE_LOG_LEVEL", "DEBUG"}}).log_level == "debug");
}

TEST_CASE("bridge settings: a value that can't be used is told of, and the default holds") {
  for (const char* name : {"MCP_BRIDGE_TIMEOUT", "MCP_BRIDGE_MAX_TIMEOUT", "MCP_BRIDGE_OUTPUT_MODE",
                           "MCP_BRIDGE_SESSION_PERSIST", "MCP_BRIDGE_LOG_LEVEL"}) {
    INFO(name);
    const BridgeSettings settings = read({{name, "-soon"}});
    REQUIRE(settings.warnings.size() == 1);
    CHECK(settings.warnings[0].find(name) != std::string::npos);
    CHECK(settings.warnings[0].find("-soon") != std::string::npos);
    CHECK(settings.timeout == 120s);
    CHECK(settings.output_mode == OutputMode::Compact);
    CHECK(settings.sessions_stay);
  }
}
