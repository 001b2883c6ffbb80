#include "mcp/http/media_types.h"

#include "support/catch.h"

using namespace pyember;

TEST_CASE("Media types: what a client accepts is read from its header, in any order and case") {
  const auto takes = [](std::optional<std::string_view> header, bool json, bool events) {
    const mcp::Accepted accepted = mcp::read_accept(header);
    return accepted.json == json && accepted.events == events;
  };
  CHECK(takes(std::nullopt, true, true));
  CHECK(takes("", true, true));
  CHECK(takes("*/*", true, true));
  CHECK(takes("application/json, text/event-stream", true, true));
  CHECK(takes("text/event-stream,application/json;q=0.5", true, true));
  CHECK(takes("Application/JSON", true, false));
  CHECK(takes(" text/event-stream ;level=1", false, true));
  CHECK(takes("application/*", true, false));
  CHECK(takes("text/*;q=0.1", false, true));
  CHECK(takes("text/html, image/png", false, false));
  CHECK(takes("application/json;q=0, text/event-stream", false, true));
  CHECK(takes("application/json; q=0.000", false, false));
  CHECK(takes("application/json; q=0.001", true, false));
  CHECK(takes(",;,;=,", false, false));
}

TEST_CASE("Media types: a body is JSON when its type says so, whatever else it says") {
  CHECK(mcp::is_json_type("application/json"));
  CHECK(mcp::is_json_type("Application/JSON; charset=utf-8"));
  CHECK_FALSE(mcp::is_json_type(std::nullopt));
  CHECK_FALSE(mcp::is_json_type(""));
  CHECK_FALSE(mcp::is_json_type("text/plain"));
  CHECK_FALSE(mcp::is_json_type("application/jsonp"));
  CHECK_FALSE(mcp::is_json_type("application/json-rpc"));
}
