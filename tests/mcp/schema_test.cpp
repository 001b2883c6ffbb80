#include "mcp/schema.h"

#include "mcp/nearest_name.h"
#include "support/catch.h"

using namespace pyember::mcp;
using Strings = std::vector<std::string>;

namespace {

Strings problems(std::string_view schema, std::string_view value) {
  return Schema(parse_json(schema).value()).check(parse_json(value).value());
}

Strings property_problems(const std::string& schema, const std::string& value) {
  return problems(R"({"type":"object","properties":{"x":)" + schema + "}}",
                  R"({"x":)" + value + '}');
}

}  // namespace

TEST_CASE("Schema: values of the right type fit") {
  CHECK(property_problems(R"({"type":"string"})", "\"a\"").empty());
  CHECK(property_problems(R"({"type":"integer"})", "5").empty());
  CHECK(property_problems(R"({"type":"integer"})", "5.0").empty());
  CHECK(property_problems(R"({"type":"number"})", "5").empty());
  CHECK(property_problems(R"({"type":"number"})", "5.5").empty());
  CHECK(property_problems(R"({"type":"boolean"})", "false").empty());
  CHECK(property_problems(R"({"type":["string","null"]})", "null").empty());
  CHECK(property_problems("{}", "[1]").empty());
}

TEST_CASE("Schema: a value of another type is named with what it should be") {
  CHECK(property_problems(R"({"type":"string"})", "5") ==
        Strings{"x must be of type string, and 5 is not."});
  CHECK(property_problems(R"({"type":"integer"})", "5.5") ==
        Strings{"x must be of type integer, and 5.5 is not."});
  CHECK(property_problems(R"({"type":["integer","null"]})", "\"a\"") ==
        Strings{"x must be of type integer or null, and 'a' is not."});
  CHECK(property_problems(R"({"type":"boolean"})", "{}") ==
        Strings{"x must be of type boolean, and an object is not."});
}

TEST_CASE("Schema: numbers are kept within their bounds") {
  const std::string schema = R"({"type":"number","minimum":1,"maximum":10})";
  CHECK(property_problems(schema, "1").empty());
  CHECK(property_problems(schema, "10").empty());
  CHECK(property_problems(schema, "0.5") == Strings{"x must be at least 1, and 0.5 is not."});
  CHECK(property_problems(schema, "11") == Strings{"x must be at most 10, and 11 is not."});
  const std::string open = R"({"type":"number","exclusiveMinimum":0,"exclusiveMaximum":3})";
  CHECK(property_problems(open, "0") == Strings{"x must be greater than 0, and 0 is not."});
  CHECK(property_problems(open, "3") == Strings{"x must be less than 3, and 3 is not."});
  CHECK(property_problems(open, "2").empty());
}

TEST_CASE("Schema: lengths are counted in characters") {
  const std::string schema = R"({"type":"string","minLength":2,"maxLength":3})";
  CHECK(property_problems(schema, "\"\xC3\xBC\xC3\xBC\xC3\xBC\"").empty());
  CHECK(property_problems(schema, "\"abcd\"") ==
        Strings{"x must have at most 3 characters, and it has 4."});
  CHECK(property_problems(schema, "\"\xC3\xBC\"") ==
        Strings{"x must have at least 2 characters, and it has 1."});
}

TEST_CASE("Schema: an enumeration lists what is allowed") {
  CHECK(property_problems(R"({"enum":["a","b",1]})", "1").empty());
  CHECK(property_problems(R"({"enum":["a","b",1]})", "\"c\"") ==
        Strings{R"(x must be one of ["a","b",1], and 'c' is not.)"});
}

TEST_CASE("Schema: required properties are missed, unknown ones refused if the schema says so") {
  const char* closed = R"({"type":"object","properties":{"session":{},"code":{}},
                           "required":["code"],"additionalProperties":false})";
  CHECK(problems(closed, R"({"code":1})").empty());
  CHECK(problems(closed, "{}") == Strings{"code is required and missing."});
  CHECK(problems(closed, R"({"code":1,"session_id":2})") ==
        Strings{"'session_id' is not an argument of it; did you mean 'session'?"});
  CHECK(problems(closed, R"({"code":1,"zzz":2})") == Strings{"'zzz' is not an argument of it."});
  CHECK(problems(R"({"type":"object","properties":{"a":{}}})", R"({"b":1})").empty());
}

TEST_CASE("Schema: looks into objects and arrays and says where") {
  const std::string schema =
      R"({"type":"object","properties":{"y":{"type":"array","items":{"type":"string"}}},"required":["y"]})";
  CHECK(property_problems(schema, R"({"y":["a","b"]})").empty());
  CHECK(property_problems(schema, R"({"y":["a",7]})") ==
        Strings{"x.y[1] must be of type string, and 7 is not."});
  CHECK(property_problems(schema, "{}") == Strings{"x.y is required and missing."});
}

TEST_CASE("Schema: names a handful of problems and no more") {
  CHECK(property_problems(R"({"type":"array","items":{"type":"string"}})", "[1,2,3,4,5,6,7,8]")
            .size() == Schema::kMaximumProblems);
}

TEST_CASE("Schema: shows long and broken values short and valid") {
  const auto found =
      property_problems(R"({"type":"integer"})", '"' + std::string(10'000, 'a') + '"');
  REQUIRE(found.size() == 1);
  CHECK(found[0].size() < 200);
}

TEST_CASE("nearest_name: finds what was meant") {
  const std::vector<std::string_view> names = {"code", "session", "timeout", "background"};
  CHECK(nearest_name("cod", names) == "code");
  CHECK(nearest_name("sesion", names) == "session");
  CHECK(nearest_name("session_id", names) == "session");
  CHECK(nearest_name("timeout_seconds", names) == "timeout");
  CHECK(nearest_name("in_background", names) == "background");
}

TEST_CASE("nearest_name: does not guess wildly") {
  const std::vector<std::string_view> names = {"code", "session", "timeout"};
  CHECK(nearest_name("x", names).empty());
  CHECK(nearest_name("", names).empty());
  CHECK(nearest_name("arguments", names).empty());
  CHECK(nearest_name(std::string(100'000, 'c'), names).empty());
}
