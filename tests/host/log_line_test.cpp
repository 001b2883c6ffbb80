#include "host/log_line.h"

#include <string>

#include "mcp/json.h"
#include "support/catch.h"

using namespace pyember;
using host::json_log_line;
using mcp::Json;

namespace {

constexpr std::int64_t kThen = 1'795'339'876'123;  // 2026-11-22T09:31:16.123Z

Json line_of(const std::string& message) {
  const std::string line = json_log_line(kThen, "warning", message);
  CHECK(line.find('\n') == std::string::npos);
  Result<Json> parsed = mcp::parse_json(line);
  REQUIRE(parsed);
  CHECK(parsed.value()["message"] == message);
  return parsed.take();
}

}  // namespace

TEST_CASE("json_log_line: time, level and message are always there") {
  CHECK(json_log_line(kThen, "info", "the server ended") ==
        R"({"time":"2026-11-22T09:31:16.123Z","level":"info","message":"the server ended"})");
}

TEST_CASE("json_log_line: an event's fields are members of their own") {
  const Json line = line_of("upstream_ready server=\"git hub\" ms=12 version=2026-07-28");
  CHECK(line["event"] == "upstream_ready");
  CHECK(line["fields"] == Json({{"server", "git hub"}, {"ms", "12"}, {"version", "2026-07-28"}}));
}

TEST_CASE("json_log_line: an event may have no fields, and a field no text") {
  CHECK(line_of("runtime_wedged")["event"] == "runtime_wedged");
  CHECK_FALSE(line_of("runtime_wedged").contains("fields"));
  CHECK(line_of("memory_low session= reason=\"\"")["fields"] ==
        Json({{"session", ""}, {"reason", ""}}));
}

TEST_CASE("json_log_line: what is no event is a message alone") {
  for (const char* message :
       {"", "stopped", "listening on http://localhost:8000/mcp", "the server was killed, a=b",
        "event key", "event key=a b", "event =a", "event  a=b", "event a=b ", "event a=\"b",
        "event a=b\"c", "event a=\"b\"c", "Event a=b"}) {
    INFO(message);
    const Json line = line_of(message);
    CHECK_FALSE(line.contains("event"));
    CHECK_FALSE(line.contains("fields"));
  }
}

TEST_CASE("json_log_line: no field is said twice") {
  CHECK_FALSE(line_of("http_refused reason=\"x\" caller=a caller=b").contains("fields"));
}

TEST_CASE("json_log_line: whatever bytes there are, it is one line of JSON") {
  const std::string line = json_log_line(kThen, "error", "a\n\"b\"\\\x01\xff\xc3\xbc");
  CHECK(line.find('\n') == std::string::npos);
  const Result<Json> parsed = mcp::parse_json(line);
  REQUIRE(parsed);
  CHECK(parsed.value()["message"] == "a\n\"b\"\\\x01\xef\xbf\xbd\xc3\xbc");
}
