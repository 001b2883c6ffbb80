#include "host/tools/file_tools.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "base/base64.h"
#include "base/limits.h"
#include "host/tools/arguments.h"

namespace pyember::host {

using mcp::Json;
using Call = std::shared_ptr<mcp::ToolCall>;

namespace {

// The bytes a call wants written.
Result<std::string> bytes_of(const Arguments& arguments) {
  const auto text = arguments.text("content");
  const auto encoded = arguments.text("base64");
  if (text.has_value() == encoded.has_value()) {
    return Error{ErrorCode::InvalidArgument,
                 "The file was not written: exactly one of content and base64 says what it holds. "
                 "Give content for text, base64 for other bytes."};
  }
  std::optional<std::string> bytes = text ? text : base64_decoded(*encoded);
  if (!bytes) {
    return Error{ErrorCode::InvalidArgument,
                 "The file was not written: what base64 holds is not base64. Encode the bytes with "
                 "the alphabet of RFC 4648 and padding, or give text as content."};
  }
  if (bytes->size() > limits::kMaximumPutBytes) {
    return Error{
        ErrorCode::LimitReached,
        fmt::format("The file was not written: it has {} bytes and the limit is {}. Put it "
                    "in pieces, or have a cell fetch it.",
                    bytes->size(), limits::kMaximumPutBytes)};
  }
  return std::move(*bytes);
}

void put_file(const Call& call, const FileToolParts& parts) {
  const Arguments arguments(call->arguments());
  const std::string session = arguments.text_or("session", "main");
  const std::string path = arguments.text_or("path", "");
  const Result<std::string> bytes = bytes_of(arguments);
  if (!bytes) return call->complete(mcp::tool_error(bytes.error().message));
  const Result<SessionFolder*> folder = parts.folder_to_fill(session);
  if (!folder) return call->complete(mcp::tool_error(folder.error().message));
  if (const Result<void> put = folder.value()->put(path, bytes.value()); !put) {
    return call->complete(mcp::tool_error(put.error().message));
  }
  mcp::ToolResult answer;
  answer.content.push_back(mcp::text_block(
      fmt::format("{} bytes at {}/{}", bytes.value().size(), folder.value()->path(), path)));
  answer.structured = {{"session", session},
                       {"folder", folder.value()->path()},
                       {"path", path},
                       {"bytes", bytes.value().size()},
                       {"uri", file_uri(session, path)}};
  call->complete(std::move(answer));
  parts.files_changed();
}

void list_files(const Call& call, const FileToolParts& parts) {
  const std::string session = Arguments(call->arguments()).text_or("session", "main");
  const Result<SessionFolder*> folder = parts.folder_of(session);
  if (!folder) return call->complete(mcp::tool_error(folder.error().message));
  Json files = Json::array();
  std::string text = folder.value()->path() + ":\n";
  for (const SessionFile& file : folder.value()->files()) {
    const std::string uri = file_uri(session, file.path);
    files.push_back({{"path", file.path}, {"bytes", file.bytes}, {"uri", uri}});
    text += fmt::format("{} ({} bytes) {}\n", file.path, file.bytes, uri);
  }
  if (files.empty()) text += "no files\n";
  text.pop_back();
  mcp::ToolResult answer;
  answer.content.push_back(mcp::text_block(std::move(text)));
  answer.structured = {
      {"session", session}, {"folder", folder.value()->path()}, {"files", std::move(files)}};
  call->complete(std::move(answer));
}

Json text_property(const char* description) {
  return {{"type", "string"}, {"description", description}};
}

Json object_of(Json properties) {
  Json required = Json::array();
  for (const auto& [name, schema] : properties.items()) required.push_back(name);
  return {
      {"type", "object"}, {"properties", std::move(properties)}, {"required", std::move(required)}};
}

Json file_schema() {
  const Json text = {{"type", "string"}};
  return {{"path", text}, {"bytes", {{"type", "integer"}}}, {"uri", text}};
}

mcp::Tool put_tool(const FileToolParts& parts) {
  mcp::Tool tool;
  tool.name = "put_file";
  tool.title = "Put file";
  tool.description =
      "Writes one file into a session's folder, which its code finds in "
      "os.environ['PYEMBER_SESSION_FOLDER'].";
  tool.input_schema = {{"type", "object"},
                       {"properties",
                        {{"session", text_property("default 'main'")},
                         {"path", text_property("relative to the folder")},
                         {"content", text_property("text")},
                         {"base64", text_property("bytes, instead of content")}}},
                       {"required", {"path"}},
                       {"additionalProperties", false}};
  Json fields = file_schema();
  fields["session"] = fields["folder"] = {{"type", "string"}};
  tool.output_schema = object_of(std::move(fields));
  tool.annotations = {{"readOnlyHint", false},
                      {"destructiveHint", true},
                      {"idempotentHint", true},
                      {"openWorldHint", false}};
  tool.handler = [parts](const Call& call) { put_file(call, parts); };
  return tool;
}

mcp::Tool list_tool(const FileToolParts& parts) {
  mcp::Tool tool;
  tool.name = "list_files";
  tool.title = "List files";
  tool.description = "Lists the files in a session's folder with the links to read them.";
  tool.input_schema = {{"type", "object"},
                       {"properties", {{"session", text_property("default 'main'")}}},
                       {"additionalProperties", false}};
  const Json text = {{"type", "string"}};
  tool.output_schema =
      object_of({{"session", text},
                 {"folder", text},
                 {"files", {{"type", "array"}, {"items", object_of(file_schema())}}}});
  tool.annotations = {{"readOnlyHint", true},
                      {"destructiveHint", false},
                      {"idempotentHint", true},
                      {"openWorldHint", false}};
  tool.handler = [parts](const Call& call) { list_files(call, parts); };
  return tool;
}

}  // namespace

void add_file_tools(mcp::ToolCatalog& catalog, FileToolParts parts) {
  catalog.add(put_tool(parts));
  catalog.add(list_tool(parts));
}

}  // namespace pyember::host
