#include "host/upstream/tools/tool_docs.h"

#include <string>

#include "base/limits.h"
#include "base/utf8.h"
#include "host/upstream/tools/python_types.h"
#include "upstream/tool_fixture.h"

using namespace pyember;
using namespace pyember::host;

namespace {

std::string signature(std::string_view schema) {
  return tool_signature(tool_with(schema).tools[0]);
}

std::string type_of(std::string_view schema) { return python_type(json(schema), json(schema)); }

std::string returned(std::string_view output_schema) {
  ToolDescription tool = tool_with(R"({"properties":{}})").tools[0];
  tool.output_schema = json(output_schema);
  return tool_signature(tool);
}

}  // namespace

TEST_CASE("Signatures: required arguments first, then optional ones with what they are else") {
  CHECK(signature(R"({"type":"object","properties":{
          "body":{"type":"string"},"repo":{"type":"string"},"count":{"type":"integer","default":5},
          "labels":{"type":"array","items":{"type":"string"}}},"required":["repo"]})") ==
        "do_it(repo: str, body: str = ..., count: int = 5, labels: list[str] = ...) -> Any");
  CHECK(signature(R"({"type":"object","properties":{}})") == "do_it() -> Any");
  CHECK(signature(R"({"type":"object"})") == "do_it(**arguments: Any) -> Any");
  CHECK(signature(R"({"properties":{"a":{}},"additionalProperties":{"type":"integer"}})") ==
        "do_it(a: Any = ..., **arguments: int) -> Any");
  CHECK(signature(R"({"additionalProperties":false})") == "do_it() -> Any");
}

TEST_CASE("Signatures: names that Python can't have are left out") {
  CHECK(signature(R"({"properties":{"from":{},"a-b":{},"ok":{}},"required":["from"]})") ==
        "do_it(ok: Any = ...) -> Any");
}

TEST_CASE("Signatures: what is returned, as code gets it") {
  CHECK(returned(R"({"type":"object","properties":{"a":{"type":"string"},"b":{}}})") ==
        "do_it() -> dict");
  CHECK(
      returned(
          R"({"type":"object","properties":{"result":{"type":"array","items":{"type":"integer"}}}})") ==
      "do_it() -> list[int]");
  CHECK(returned(
            R"({"$defs":{"R":{"type":"string"}},"properties":{"result":{"$ref":"#/$defs/R"}}})") ==
        "do_it() -> str");
}

TEST_CASE("Signatures: hundreds of arguments are cut to those that are needed") {
  mcp::Json properties = mcp::Json::object();
  for (int i = 0; i < 500; ++i) properties["argument_" + std::to_string(i)] = {{"type", "string"}};
  const mcp::Json schema = {{"properties", properties}, {"required", {"argument_7"}}};
  CHECK(signature(mcp::to_json_text(schema)) == "do_it(argument_7: str, **arguments: Any) -> Any");
}

TEST_CASE("Python types: each type of JSON Schema has its word") {
  CHECK(type_of(R"({"type":"string"})") == "str");
  CHECK(type_of(R"({"type":"number"})") == "float");
  CHECK(type_of(R"({"type":"object"})") == "dict");
  CHECK(type_of(R"({"type":"object","additionalProperties":{"type":"integer"}})") ==
        "dict[str, int]");
  CHECK(type_of(R"({"type":"array"})") == "list");
  CHECK(type_of(R"({"type":"array","items":{"type":"array","items":{"type":"null"}}})") ==
        "list[list[None]]");
  CHECK(type_of(R"({"type":["null","string","integer"]})") == "str | int | None");
  CHECK(type_of(R"({"anyOf":[{"type":"string"},{"type":"null"},{"type":"string"}]})") ==
        "str | None");
  CHECK(type_of(R"({"anyOf":[{"type":"string"},{}]})") == "Any");
  CHECK(type_of(R"({"enum":["a","it's",1,true,null]})") == "Literal['a', 'it\\'s', 1, True, None]");
  CHECK(type_of(R"({"enum":[1.5]})") == "Any");
  CHECK(type_of(R"({"enum":[]})") == "Any");
  CHECK(type_of(R"({"const":"a"})") == "Literal['a']");
  CHECK(type_of(R"({"allOf":[{"type":"string"}]})") == "str");
  CHECK(type_of("true") == "Any");
  CHECK(type_of("{}") == "Any");
}

TEST_CASE("Python types: what is endless, deep or long is said shortly") {
  CHECK(type_of(R"({"$ref":"#"})") == "Any");
  CHECK(type_of(R"({"type":"array","items":{"$ref":"#"}})").starts_with("list[list["));
  mcp::Json values = mcp::Json::array();
  for (int i = 0; i < 1000; ++i) values.push_back("value " + std::to_string(i));
  CHECK(type_of(mcp::to_json_text({{"enum", values}})) == "str");
  // A union of unions of unions …
  std::string schema = R"({"$defs":{"a":{"anyOf":[)";
  for (int i = 0; i < 20; ++i) {
    schema += std::string(i == 0 ? "" : ",") + R"({"type":"array","items":{"$ref":"#/$defs/a"}})";
  }
  CHECK(type_of(schema + R"(]}},"$ref":"#/$defs/a"})").size() <= 1000);
}

TEST_CASE("Python literals: values are written as Python writes them") {
  CHECK(python_literal(json(R"({"a":[true,null,1.5,"b\n'\\"]})"), 100) ==
        R"({'a': [True, None, 1.5, 'b\n\'\\']})");
  CHECK(python_literal(json("[]"), 10) == "[]");
  CHECK(python_literal(json("{}"), 10) == "{}");
  CHECK(python_literal(json(R"("\u0001")"), 10) == R"('\x01')");
  CHECK(python_literal(json(R"("aaaaaaaaaaaa")"), 10) == "...");
  CHECK(python_literal(json("[1,2,3,4,5,6,7,8]"), 10) == "...");
}

TEST_CASE("Docstrings: description, arguments with their own, what they hold, and hints") {
  ToolDescription tool = tool_with(R"({"type":"object","properties":{
      "from":{"type":"string","description":"Where\n  it begins"},
      "edges":{"type":"array","items":{"type":"object","properties":{"to":{"type":"string"}},
               "required":["to"]}},
      "limit":{"type":"integer","default":10}},"required":["from"]})")
                             .tools[0];
  tool.description = "Draws a graph.";
  tool.annotations = {{"readOnlyHint", true}};
  CHECK(tool_docstring(tool) ==
        "Draws a graph.\n\n"
        "Arguments:\n"
        "    from (str): Where it begins Pass it as **{'from': …}.\n"
        "    edges (list[dict], optional)\n"
        "        to (str)\n"
        "    limit (int, optional) Default: 10.\n\n"
        "Said to change nothing.");
}

TEST_CASE("Docstrings: they are bounded, and valid UTF-8") {
  ToolDescription tool = tool_with(R"({"type":"object","properties":{"a":{"$ref":"#"}}})").tools[0];
  for (int i = 0; i < 30'000; ++i) tool.description += "ü";
  CHECK(tool_docstring(tool).size() <= limits::kDocstringBytes + 8);
  CHECK(utf8::is_valid(tool_docstring(tool)));
}

TEST_CASE("Docs: a summary has no schema, full ones have all") {
  const SharedTools server = tools_of("for-ge", R"([{"name":"createIssue","description":"Opens one",
      "inputSchema":{"type":"object","properties":{}},"outputSchema":{"type":"object"}},{"name":"b"}])");
  const mcp::Json summary = tool_doc(*server, server->tools[0], doc_detail("summary"));
  CHECK(summary == json(R"({"name":"createIssue","server":"for-ge","serverAlias":"for_ge",
      "tool":"createIssue","toolAlias":"createissue","description":"Opens one"})"));
  const mcp::Json full = tool_doc(*server, server->tools[0], doc_detail("full"));
  CHECK(full.at("inputSchema") == server->tools[0].input_schema);
  CHECK(full.at("outputSchema") == json(R"({"type":"object"})"));
  CHECK(full.at("signature") == "createissue() -> dict");
  CHECK(full.at("docstring") == "Opens one");
  const mcp::Json bare = tool_doc(*server, server->tools[1], doc_detail("full"));
  CHECK_FALSE(bare.contains("description"));
  CHECK_FALSE(bare.contains("outputSchema"));
  CHECK_FALSE(tool_doc(*server, server->tools[0], doc_detail("anything")).contains("inputSchema"));
}

TEST_CASE("Docs: a specification has what a proxy is made from") {
  const SharedTools server = tools_of("a", R"([{"name":"Do","title":"T","inputSchema":
      {"type":"object","properties":{"x":{},"y":{}},"required":["y"]}}])");
  CHECK(tool_specification(server->tools[0]) ==
        json(R"({"name":"Do","alias":"do","title":"T","description":"","input_schema":
        {"type":"object","properties":{"x":{},"y":{}},"required":["y"]},"output_schema":null,
        "annotations":null,"parameters":["y","x"]})"));
}

TEST_CASE("Mistaken names: the nearest tools are named") {
  const SharedTools server = tools_of("forge", R"([{"name":"create_issue"},{"name":"list_issues"},
                                                   {"name":"getThing"}])");
  CHECK(no_such_tool(*server, "creat_isue") ==
        "Tool 'creat_isue' not found for server forge: did you mean create_issue? "
        "await runtime.query_tool_docs('forge') tells what there is.");
  CHECK(no_such_tool(*server, "get_thing").find("did you mean getthing?") != std::string::npos);
  CHECK(no_such_tool(*server, "issues").find("list_issues") != std::string::npos);
  CHECK(no_such_tool(*server, "qqq") ==
        "Tool 'qqq' not found for server forge: none of its 3 tools is called so. "
        "await runtime.query_tool_docs('forge') tells what there is.");
  CHECK(utf8::is_valid(no_such_tool(*server, "\xFF")));
}

TEST_CASE("Mistaken names: the nearest server is named, or all are") {
  UpstreamConfiguration servers{{definition_of("github"), definition_of("slack")}, {}, {}};
  CHECK(no_such_server(servers, "gihub") ==
        "Unknown MCP server: gihub. Did you mean github? runtime.discovered_servers() tells what "
        "there is.");
  CHECK(no_such_server(servers, "x").find("Configured are github, slack.") != std::string::npos);
  CHECK(no_such_server({}, "x").find("No MCP servers are configured.") != std::string::npos);
  servers.not_imported = {"/etc/mcp.json"};
  CHECK(no_such_server(servers, "x")
            .ends_with(" A file that nobody has allowed to be read may define more: the user can "
                       "run `pyember "
                       "upstreams import`."));
}
