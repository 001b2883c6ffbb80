#include "support/catch.h"

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "host/tools/toon.h"
#include "mcp/json.h"

using namespace pyember::host;
using pyember::mcp::Json;

namespace {

std::string toon(const std::string& json) {
  return to_toon(Json::parse(json)).value_or("(nothing)");
}

using Pairs = std::vector<std::pair<const char*, const char*>>;

void check_all(const Pairs& pairs) {
  for (const auto& [json, expected] : pairs) {
    INFO(json);
    CHECK(toon(json) == expected);
  }
}

}  // namespace

TEST_CASE("toon: the answers of code mode, as its clients know them") {
  check_all({
      {R"({"status":"success","summary":"Success","exitCode":0,"stdout":["a","b"]})",
       "status: success\nsummary: Success\nexitCode: 0\nstdout[2]: a,b"},
      {R"({"status":"error","stderr":["Traceback","ValueError: boom"]})",
       "status: error\nstderr[2]: Traceback,\"ValueError: boom\""},
      {R"({"stdout":["1, 2","42","true","- x",""]})", R"(stdout[5]: "1, 2","42","true","- x","")"},
  });
}

TEST_CASE("toon: strings are quoted where they would be read as something else") {
  check_all({
      {R"("plain text")", "plain text"},
      {R"("naïve ☕")", "naïve ☕"},
      {R"("")", R"("")"},
      {R"(" lead")", R"(" lead")"},
      {R"("null")", R"("null")"},
      {R"("True")", "True"},
      {R"("05")", R"("05")"},
      {R"("-1.5e-3")", R"("-1.5e-3")"},
      {R"("1.")", "1."},
      {R"("1e")", "1e"},
      {R"("a:b")", R"("a:b")"},
      {R"("[x]")", R"("[x]")"},
      {R"("# note")", R"("# note")"},
      {R"("line\nnext\t\"q\" \\ \u0007")", R"("line\nnext\t\"q\" \\ \u0007")"},
  });
}

TEST_CASE("toon: numbers have no exponent and no needless zero") {
  check_all({{"[1.0,-0.0,1e6,1e-6,0.1,12345678901234567890]",
              "[6]: 1,0,1000000,0.000001,0.1,12345678901234567890"}});
  CHECK(to_toon(Json(std::numeric_limits<double>::infinity())) == "null");
}

TEST_CASE("toon: objects are indented, keys quoted when they are no plain words") {
  check_all({
      {"{}", ""},
      {R"({"a":{"b":{"c":1},"d":{}},"e":null})", "a:\n  b:\n    c: 1\n  d:\ne: null"},
      {R"({"two words":1,"a.b":2,"1st":[3]})", "\"two words\": 1\na.b: 2\n\"1st\"[1]: 3"},
  });
}

TEST_CASE("toon: arrays of one shape are tables, others lists") {
  check_all({
      {R"({"none":[]})", "none: []"},
      {"[]", "[]"},
      {R"({"rows":[{"id":1,"at":{"x":2}},{"at":{"x":3},"id":4}]})",
       "rows[2]{id,at{x}}:\n  1,2\n  4,3"},
      {R"({"rows":[{"id":1},{"id":[2]}]})", "rows[2]:\n  - id: 1\n  - id[1]: 2"},
      {R"([[1,2],[],"x",{}])", "[4]:\n  - [2]: 1,2\n  - [0]:\n  - x\n  -"},
      {R"({"by":{"a":{"n":1},"b":{"n":2}}})", "by[2:]{n}:\n  a: 1\n  b: 2"},
      {R"([{"rows":[{"a":1},{"a":2}],"more":true}])",
       "[1]:\n  - rows[2]{a}:\n      1\n      2\n    more: true"},
  });
}

TEST_CASE("toon: what is nested beyond reason is not written") {
  Json value = 1;
  for (int i = 0; i < 100; ++i) value = Json::array({value});
  CHECK(to_toon(value) == std::nullopt);
}
