#include "support/scripted_server.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace pyember::test {

using mcp::Json;
using mcp::LogLevel;
using mcp::ToolCall;
using mcp::ToolResult;

namespace {

const Json kNoArguments = {{"type", "object"}, {"additionalProperties", false}};

const Json kEchoSchema = Json::parse(R"({
  "type": "object",
  "properties": {
    "text": {"type": "string", "maxLength": 20},
    "times": {"type": "integer", "minimum": 1, "maximum": 10},
    "loud": {"type": "boolean"},
    "mode": {"enum": ["plain", "fancy"]}},
  "required": ["text"],
  "additionalProperties": false})");

ToolResult text_result(std::string text) {
  ToolResult result;
  result.content.push_back(mcp::text_block(std::move(text)));
  return result;
}

void echo(const std::shared_ptr<ToolCall>& call) {
  ToolResult result = text_result(call->arguments()["text"].get<std::string>());
  result.structured = call->arguments();
  call->complete(std::move(result));
}

void link(const std::shared_ptr<ToolCall>& call) {
  ToolResult result = text_result("see there");
  result.content.push_back({{"type", "resource_link"}, {"uri", "note://a"}, {"name", "a"}});
  result.structured = {{"more", true}};
  call->complete(std::move(result));
}

void speak(const std::shared_ptr<ToolCall>& call) {
  call->log(LogLevel::Debug, "speaker", "a detail");
  call->log(LogLevel::Warning, "speaker", {{"watch", "out"}});
  call->complete(text_result("spoken"));
  call->log(LogLevel::Warning, "speaker", "too late");
}

void fail(const std::shared_ptr<ToolCall>& call) {
  call->fail({mcp::RpcCode::InternalError, "It failed.", {{"hint", 7}}});
}

}  // namespace

std::string CapturedOutput::take() {
  if (lines.empty()) return {};
  std::string line = std::move(lines.front());
  lines.pop_front();
  return line;
}

ScriptedTools::ScriptedTools() {
  const Json hold_schema = {
      {"type", "object"}, {"properties", {{"key", {{"type", "string"}}}}}, {"required", {"key"}}};
  catalog.add({"echo",
               "Echo",
               "Says it back.",
               kEchoSchema,
               {{"type", "object"}, {"properties", {{"text", {{"type", "string"}}}}}},
               {{"readOnlyHint", true}},
               echo});
  catalog.add({"hold", "", "Waits.", hold_schema, {}, {}, [this](std::shared_ptr<ToolCall> call) {
                 hold(std::move(call));
               }});
  catalog.add({"link", "", "Points elsewhere.", kNoArguments, {}, {}, link});
  catalog.add({"speak", "", "Logs.", kNoArguments, {}, {}, speak});
  catalog.add({"fail", "", "Fails.", kNoArguments, {}, {}, fail});
  catalog.add({"throw", "", "Throws.", kNoArguments, {}, {}, [](const std::shared_ptr<ToolCall>&) {
                 throw std::runtime_error("a bug");
               }});
  catalog.add(
      {"forget", "", "Gives up.", kNoArguments, {}, {}, [](const std::shared_ptr<ToolCall>&) {}});
}

void ScriptedTools::hold(std::shared_ptr<ToolCall> call) {
  const std::string key = call->arguments()["key"].get<std::string>();
  call->on_cancel([this, key] { cancelled.push_back(key); });
  held[key] = std::move(call);
}

void ScriptedTools::answer(const std::string& key) {
  const auto call = held.at(key);
  held.erase(key);
  call->complete(text_result(key + " is answered"));
}

std::vector<mcp::Resource> ScriptedResources::list(std::string_view after, std::size_t limit) {
  std::vector<mcp::Resource> page;
  for (const std::string& name : names) {
    const std::string uri = "note://" + name;
    if (uri > after && page.size() < limit) {
      page.push_back({uri, name, "Note " + name, "", "text/plain", 5});
    }
  }
  return page;
}

std::vector<mcp::ResourceTemplate> ScriptedResources::templates() {
  return {{"note://{name}", "note", "A note", "Any note.", "text/plain"},
          {"blob://{name}", "blob", "", "", ""}};
}

void ScriptedResources::read(std::string_view uri, mcp::ReadCompletion done) {
  const std::string name(uri.substr(std::min(uri.size(), std::string_view("note://").size())));
  if (std::find(names.begin(), names.end(), name) != names.end()) {
    done(std::vector<mcp::ResourceContent>{{std::string(uri), "text/plain", "text of " + name}});
  } else if (name == "blob") {
    done(std::vector<mcp::ResourceContent>{{std::string(uri), "", "AAEC", true, {{"k", 1}}}});
  } else if (name == "broken") {
    done(Error{ErrorCode::Internal, "The note can't be read."});
  } else if (name == "late") {
    late.push_back(std::move(done));
  } else {
    done(Error{ErrorCode::NotFound, "no such note"});
  }
}

void ScriptedResources::read_late() {
  for (auto& done : std::exchange(late, {})) {
    done(std::vector<mcp::ResourceContent>{{"note://late", "", "late text"}});
  }
}

ScriptedServer::ScriptedServer(mcp::ServerBounds bounds)
    : server({"scripted", "Scripted", "1.0", "For tests.", "https://example.org", "Be kind."},
             tools.catalog, resources, bounds),
      connection(server, output) {}

}  // namespace pyember::test
