#include "host/tools/file_tools.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "base/base64.h"
#include "base/limits.h"
#include "host/tools/arguments.h"
#include "host/tools/schemas.h"

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

using Members = std::vector<std::pair<const char*, Json>>;

Members file_members() {
  return {{"path", text_type()}, {"bytes", type("integer")}, {"uri", text_type()}};
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
                        {{"session", session_argument()},
                         {"path", described("string", "relative to the folder")},
                         {"content", described("string", "text")},
                         {"base64", described("string", "bytes, instead of content")}}},
                       {"required", {"path"}},
                       {"additionalProperties", false}};
  Members members = file_members();
  members.emplace_back("folder", text_type());
  members.emplace_back("session", text_type());
  tool.output_schema = object_of(members);
  tool.annotations = annotations({.destructive = true, .idempotent = true});
  tool.handler = [parts](const Call& call) { put_file(call, parts); };
  return tool;
}

mcp::Tool list_tool(const FileToolParts& parts) {
  mcp::Tool tool;
  tool.name = "list_files";
  tool.title = "List files";
  tool.description = "Lists the files in a session's folder with the links to read them.";
  tool.input_schema = {{"type", "object"},
                       {"properties", {{"session", session_argument()}}},
                       {"additionalProperties", false}};
  tool.output_schema = object_of({{"session", text_type()},
                                  {"folder", text_type()},
                                  {"files", list_of(object_of(file_members()))}});
  tool.annotations = annotations({.read_only = true, .idempotent = true});
  tool.handler = [parts](const Call& call) { list_files(call, parts); };
  return tool;
}

}  // namespace

void add_file_tools(mcp::ToolCatalog& catalog, FileToolParts parts) {
  catalog.add(put_tool(parts));
  catalog.add(list_tool(parts));
}

}  // namespace pyember::host
