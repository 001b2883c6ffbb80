#include "host/upstream/tools/tool_description.h"

#include <set>
#include <string>

#include "base/limits.h"
#include "base/utf8.h"
#include "upstream/tool_fixture.h"

using namespace pyember;
using namespace pyember::host;
using Strings = std::vector<std::string>;

TEST_CASE("Tool aliases: names become Python's, each once") {
  CHECK(tool_aliases({"createIssue", "get-thing", "a..b//c", "2fa", "class", "get_thing",
                      "GET-THING", "", "日本", "None"}) ==
        Strings{"createissue", "get_thing", "a_b_c", "_2fa", "class_", "get_thing_2", "get_thing_3",
                "_", "__2", "none"});
}

TEST_CASE("Tool aliases: one that looks like a clash's is no clash itself") {
  CHECK(tool_aliases({"x", "x_2", "X"}) == Strings{"x", "x_2", "x_3"});
}

TEST_CASE("Tool aliases: thousands of one name take no square") {
  const std::vector<std::string> names(limits::kUpstreamTools, "Same");
  const std::vector<std::string> aliases =
      tool_aliases(std::vector<std::string_view>(names.begin(), names.end()));
  CHECK(std::set<std::string>(aliases.begin(), aliases.end()).size() == names.size());
}

TEST_CASE("Tool descriptions: what a list says is read") {
  const SharedTools tools = tools_of("forge", R"([
    {"name":"a","title":"A","description":"Does a","inputSchema":{"type":"object","properties":{}},
     "outputSchema":{"type":"object"},"annotations":{"readOnlyHint":true}},
    {"name":"b","annotations":{"title":"B"}}])");
  REQUIRE(tools->tools.size() == 2);
  CHECK(tools->tools[0].title == "A");
  CHECK(tools->tools[0].output_schema == json(R"({"type":"object"})"));
  CHECK(tools->tools[1].title == "B");
  CHECK(tools->tools[1].input_schema == json(R"({"type":"object"})"));
  CHECK(tools->tools[1].output_schema.is_null());
  CHECK(read_tools(definition_of("forge"), tools_as_json(*tools)).tools.size() == 2);
  CHECK(tools_as_json(read_tools(definition_of("forge"), tools_as_json(*tools))) ==
        tools_as_json(*tools));
}

TEST_CASE("Tool descriptions: entries that make no sense are left out") {
  CHECK(tools_of("a", R"([1, null, [], {}, {"name":5}, {"name":""}, {"name":"ok"}, {"name":"ok"}])")
            ->tools.size() == 1);
  CHECK(tools_of("a", R"({"name":"a"})")->tools.empty());
  CHECK(tools_of("a", "null")->tools.empty());
  const SharedTools odd = tools_of(
      "a",
      R"([{"name":"x","description":5,"inputSchema":[],"outputSchema":true,"annotations":"y"}])");
  CHECK(odd->tools[0].description.empty());
  CHECK(odd->tools[0].input_schema.is_object());
  CHECK(odd->tools[0].annotations.is_null());
}

TEST_CASE("Tool descriptions: sizes are bounded") {
  mcp::Json list = mcp::Json::array();
  for (std::size_t i = 0; i < limits::kUpstreamTools + 5; ++i) {
    list.push_back({{"name", "t" + std::to_string(i)}});
  }
  list[0]["description"] = "x" + std::string(limits::kUpstreamToolTextBytes, '\xC3') + "\xBC";
  list[1]["name"] = std::string(limits::kUpstreamToolNameBytes + 1, 'n');
  mcp::Json values = mcp::Json::array();
  for (std::size_t i = 0; i < limits::kUpstreamSchemaValues; ++i) values.push_back(i);
  list[2]["inputSchema"] = {{"type", "object"}, {"enum", values}};
  const ServerTools tools = read_tools(definition_of("flood"), list);
  CHECK(tools.tools.size() == limits::kUpstreamTools);
  CHECK(tools.tools[0].description.size() <= limits::kUpstreamToolTextBytes + 8);
  CHECK(utf8::is_valid(tools.tools[0].description));
  CHECK(tools.tools[1].name == "t2");
  CHECK(tools.tools[1].input_schema == json(R"({"type":"object"})"));
}

TEST_CASE("Tool descriptions: a tool is found by its name before another's alias") {
  const SharedTools tools = tools_of("a", R"([{"name":"Get"},{"name":"get"},{"name":"get_3"}])");
  CHECK(tools->find("get")->name == "get");
  CHECK(tools->find("Get")->alias == "get");
  CHECK(tools->find("get_2")->name == "get");
  CHECK(tools->find("nothing") == nullptr);
}
