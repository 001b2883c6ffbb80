#include "host/upstream/tools/argument_check.h"

#include <string>

#include "base/limits.h"
#include "upstream/tool_fixture.h"

using namespace pyember;
using namespace pyember::host;
using Strings = std::vector<std::string>;

namespace {

// What is wrong, between the name of the tool and what to call; empty: nothing.
std::string mistake(std::string_view schema, std::string_view arguments) {
  const ServerTools server = tool_with(schema);
  const auto text = argument_mistake(server, server.tools[0], json(arguments));
  if (!text) return "";
  const std::string before = "Nothing was sent to server.do_it: ";
  REQUIRE(text->starts_with(before));
  const std::size_t end = text->find(". Call mcp_server.do_it(");
  REQUIRE(end != std::string::npos);
  return text->substr(before.size(), end - before.size());
}

std::string about_x(const std::string& schema, const std::string& value) {
  return mistake(R"({"type":"object","properties":{"x":)" + schema + "}}",
                 R"({"x":)" + value + '}');
}

const char* const kIssue = R"({"type":"object","properties":{
  "title":{"type":"string"},"labels":{"type":"array","items":{"type":"string"}},
  "state":{"enum":["open","closed"]}},"required":["title"]})";

}  // namespace

TEST_CASE("Arguments: those that fit are sent") {
  CHECK(mistake(kIssue, R"({"title":"a"})").empty());
  CHECK(mistake(kIssue, R"({"title":"a","labels":["b"],"state":"open"})").empty());
  CHECK(mistake("{}", R"({"anything":1})").empty());
  CHECK(mistake(R"({"type":"object"})", R"({"anything":1})").empty());
  CHECK(mistake(R"({"type":"object","properties":{}})", "{}").empty());
}

TEST_CASE("Arguments: a message says what, why and what to call") {
  const ServerTools server = tool_with(kIssue);
  CHECK(argument_mistake(server, server.tools[0], json(R"({"titel":"a"})")).value() ==
        "Nothing was sent to server.do_it: there is no argument titel (did you mean title?); "
        "title (str) is required and missing. Call mcp_server.do_it(title: str, "
        "labels: list[str] = ..., state: Literal['open', 'closed'] = ...) -> Any.");
}

TEST_CASE("Arguments: types are told in Python's words") {
  CHECK(about_x(R"({"type":"string"})", "5") == "x must be str, and 5 is not");
  CHECK(about_x(R"({"type":"integer"})", "true") == "x must be int, and True is not");
  CHECK(about_x(R"({"type":"integer"})", "1.5") == "x must be int, and 1.5 is not");
  CHECK(about_x(R"({"type":"integer"})", "2.0").empty());
  CHECK(about_x(R"({"type":"number"})", "2").empty());
  CHECK(about_x(R"({"type":"number"})", "\"2\"") == "x must be float, and '2' is not");
  CHECK(about_x(R"({"type":"array"})", "{}") == "x must be list, and {} is not");
  CHECK(about_x(R"({"type":["string","null"]})", "null").empty());
  CHECK(about_x(R"({"type":["string","null"]})", "1") == "x must be str | None, and 1 is not");
  CHECK(about_x(R"({"type":"string"})", "null") ==
        "x must be str, and not None; leave it out to send none");
  CHECK(about_x(R"({"type":"string","nullable":true})", "null").empty());
}

TEST_CASE("Arguments: values of an enum are named, with the nearest") {
  CHECK(about_x(R"({"enum":["open","closed"]})", "\"opened\"") ==
        "x must be one of ['open', 'closed'], and 'opened' is not (did you mean 'open'?)");
  CHECK(about_x(R"({"enum":[1,2]})", "3") == "x must be one of [1, 2], and 3 is not");
  CHECK(about_x(R"({"const":"a"})", "\"b\"") == "x must be 'a', and 'b' is not");
}

TEST_CASE("Arguments: bounds of numbers, texts and lists hold") {
  CHECK(about_x(R"({"type":"number","minimum":1})", "0") == "x must be at least 1, and 0 is not");
  CHECK(about_x(R"({"type":"number","exclusiveMaximum":1})", "1") ==
        "x must be below 1, and 1 is not");
  CHECK(about_x(R"({"type":"string","maxLength":2})", "\"üü\"").empty());
  CHECK(about_x(R"({"type":"string","minLength":3})", "\"üü\"") ==
        "x must have at least 3 characters, and it has 2");
  CHECK(about_x(R"({"type":"array","maxItems":1})", "[1,2]") ==
        "x must have at most 1 items, and it has 2");
}

TEST_CASE("Arguments: what is inside of lists and dicts is checked as well") {
  const std::string schema = R"({"type":"array","items":{"type":"object","properties":{
      "from":{"type":"string"}},"required":["from"],"additionalProperties":false}})";
  CHECK(about_x(schema, R"([{"from":"a"}])").empty());
  CHECK(about_x(schema, R"([{"from":"a"},{"from":1}])") == "x[1].from must be str, and 1 is not");
  CHECK(about_x(schema, R"([{}])") == "x[0].from (str) is required and missing");
  CHECK(about_x(schema, R"([{"from":"a","form":1}])") ==
        "there is no argument x[0].form (did you mean from?)");
  CHECK(about_x(R"({"type":"object","additionalProperties":{"type":"integer"}})",
                R"({"a":1,"b":"c"})") == "x.b must be int, and 'c' is not");
}

TEST_CASE("Arguments: names that the tool doesn't have are mistakes, unless it takes others") {
  const std::string tail = R"("properties":{"title":{}}})";
  CHECK(mistake(R"({"type":"object",)" + tail, R"({"other":1})") == "there is no argument other");
  CHECK(mistake(R"({"additionalProperties":false,)" + tail, R"({"other":1})") ==
        "there is no argument other");
  CHECK(mistake(R"({"additionalProperties":true,)" + tail, R"({"other":1})").empty());
  CHECK(mistake(R"({"patternProperties":{"^o":{}},)" + tail, R"({"other":1})").empty());
  CHECK(mistake(R"({"anyOf":[{}],)" + tail, R"({"other":1})").empty());
  CHECK(about_x(R"({"type":"object",)" + tail, R"({"other":1})").empty());  // not the tool's own
}

TEST_CASE("Arguments: a required one that has a default may be left out") {
  CHECK(mistake(R"({"type":"object","properties":{"a":{"type":"string","default":"b"}},
                    "required":["a"]})",
                "{}")
            .empty());
}

TEST_CASE("Arguments: one of several forms is enough, and the nearest one is told") {
  const std::string schema = R"({"anyOf":[{"type":"string"},{"type":"null"}]})";
  CHECK(about_x(schema, "null").empty());
  CHECK(about_x(schema, "1") == "x must be str | None, and 1 is not");
  const std::string forms = R"({"oneOf":[{"type":"string"},{"type":"object","required":["a"]}]})";
  CHECK(about_x(forms, R"({"a":1})").empty());
  CHECK(about_x(forms, R"({"b":1})") == "x.a (Any) is required and missing");
  CHECK(about_x(R"({"allOf":[{"type":"string"},{"maxLength":1}]})", "\"ab\"") ==
        "x must have at most 1 characters, and it has 2");
}

TEST_CASE("Arguments: references within the schema are followed, others pass") {
  const std::string schema = R"({"type":"object","$defs":{"Label~/1":{"type":"string"},
      "Tree":{"type":"object","properties":{"children":{"type":"array","items":{"$ref":"#/$defs/Tree"}}}}},
      "properties":{"label":{"$ref":"#/$defs/Label~0~11"},"tree":{"$ref":"#/$defs/Tree"},
                    "far":{"$ref":"https://example.com/x"},"none":{"$ref":"#/$defs/Missing"}}})";
  CHECK(mistake(schema, R"({"label":1})") == "label must be str, and 1 is not");
  CHECK(mistake(schema, R"({"tree":{"children":[{"children":[{"children":1}]}]}})") ==
        "tree.children[0].children[0].children must be list[dict], and 1 is not");
  CHECK(mistake(schema, R"({"far":1,"none":[2]})").empty());
}

TEST_CASE("Arguments: schemas that can't be judged pass") {
  for (const char* schema :
       {R"({"type":"unheard"})", R"({"type":5})", R"({"type":[]})", R"({"enum":5})",
        R"({"minimum":"a"})", R"({"required":5,"properties":[]})", R"({"anyOf":[]})",
        R"({"anyOf":5})", R"({"items":true})", R"({"format":"email","pattern":"^b"})",
        R"({"not":{}})", R"({"exclusiveMinimum":true,"type":"string"})"}) {
    CAPTURE(schema);
    CHECK(about_x(schema, "\"a\"").empty());
  }
  CHECK(
      mistake(R"({"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}})",
              R"({"x":1})")
          .empty());
}

TEST_CASE("Arguments: a schema can't make the check go on for ever") {
  // Each level tries the next one ten times: 10^60 ways.
  std::string schema = R"({"$defs":{"a":{"anyOf":[)";
  for (int i = 0; i < 10; ++i) schema += std::string(i == 0 ? "" : ",") + R"({"$ref":"#/$defs/a"})";
  schema += R"(]}},"properties":{"x":{"$ref":"#/$defs/a"}}})";
  (void)mistake(schema, R"({"x":1})");
  std::string list = "[1";
  for (std::size_t i = 0; i < limits::kArgumentSteps; ++i) list += ",1";
  CHECK(about_x(R"({"items":{"type":"integer"}})", list + "]").empty());
}

TEST_CASE("Arguments: at most five mistakes are told at once") {
  const std::string text =
      mistake(R"({"properties":{"x":{"items":{"type":"string"}}}})", R"({"x":[1,2,3,4,5,6,7]})");
  CHECK(text.find("x[4]") != std::string::npos);
  CHECK(text.find("x[5]") == std::string::npos);
}

TEST_CASE("Arguments: long values are not repeated") {
  const std::string text = about_x(R"({"type":"integer"})", '"' + std::string(5000, 'a') + '"');
  CHECK(text == "x must be int, and this text is not");
}

TEST_CASE("Arguments: positional ones are the required ones, then the others") {
  CHECK(parameter_order(
            json(R"({"properties":{"a":{},"b":{},"c":{},"d":{}},"required":["d","b"]})")) ==
        Strings{"b", "d", "a", "c"});
  CHECK(parameter_order(json("{}")).empty());
  CHECK(parameter_order(json(R"({"properties":5})")).empty());
}
