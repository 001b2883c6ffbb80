#include "mcp/presentation.h"

#include <string_view>
#include <utility>

namespace pyember::mcp {
namespace {

// An object being written; members without a value are left out.
class ObjectText {
 public:
  explicit ObjectText(std::string& out) : out_(out) { out_ += '{'; }
  ~ObjectText() { out_ += '}'; }
  ObjectText(const ObjectText&) = delete;
  ObjectText& operator=(const ObjectText&) = delete;

  void string(std::string_view name, std::string_view value) {
    begin(name);
    append_json_string(out_, value);
  }
  void optional_string(std::string_view name, std::string_view value) {
    if (!value.empty()) string(name, value);
  }
  void optional_json(std::string_view name, const Json& value) {
    if (value.is_null()) return;
    begin(name);
    append_json(out_, value);
  }
  void number(std::string_view name, std::uint64_t value) {
    begin(name);
    out_ += std::to_string(value);
  }

 private:
  void begin(std::string_view name) {
    if (!first_) out_ += ',';
    first_ = false;
    append_json_string(out_, name);
    out_ += ':';
  }

  std::string& out_;
  bool first_ = true;
};

bool is_resource_link(const Json& block) {
  const auto type = block.find("type");
  return type != block.end() && *type == "resource_link";
}

// For clients that can't follow a link: its name and address as text.
Json link_as_text(const Json& link) {
  return text_block(link.value("name", "resource") + ": " + link.value("uri", ""));
}

void append_content(std::string& out, const Json& content, Version version) {
  out += '[';
  bool first = true;
  for (const Json& block : content) {
    if (!first) out += ',';
    first = false;
    const bool as_text = !knows_resource_links(version) && is_resource_link(block);
    append_json(out, as_text ? link_as_text(block) : block);
  }
  out += ']';
}

// Messages hold one content block each.
void append_prompt_result(std::string& out, const ToolResult& result, Version version) {
  if (result.structured.is_string()) {
    out += R"("description":)";
    append_json(out, result.structured);
    out += ',';
  }
  out += R"("messages":[)";
  bool first = true;
  for (const Json& message : result.content) {
    if (!first) out += ',';
    first = false;
    const Json& block = message["content"];
    const bool as_text = !knows_resource_links(version) && is_resource_link(block);
    ObjectText text(out);
    text.optional_json("role", message["role"]);
    text.optional_json("content", as_text ? link_as_text(block) : block);
  }
  out += ']';
}

}  // namespace

void append_server_info(std::string& out, const ServerInfo& info, Version version) {
  ObjectText text(out);
  text.string("name", info.name);
  if (knows_titles(version)) text.optional_string("title", info.title);
  text.string("version", info.version);
  if (!knows_server_description(version)) return;
  text.optional_string("description", info.description);
  text.optional_string("websiteUrl", info.website_url);
}

void append_capabilities(std::string& out, const Json& extensions, bool has_prompts) {
  out += '{';
  if (has_prompts) out += R"("completions":{},)";
  if (!extensions.is_null()) {
    out += R"("extensions":)";
    append_json(out, extensions);
    out += ',';
  }
  out += R"("logging":{},)";
  if (has_prompts) out += R"("prompts":{"listChanged":true},)";
  out += R"("resources":{"listChanged":true,"subscribe":true},"tools":{"listChanged":true}})";
}

void append_tool(std::string& out, const Tool& tool, Version version) {
  ObjectText text(out);
  text.string("name", tool.name);
  if (knows_titles(version)) text.optional_string("title", tool.title);
  text.string("description", tool.description);
  text.optional_json("inputSchema", tool.input_schema);
  if (knows_structured_content(version)) text.optional_json("outputSchema", tool.output_schema);
  if (knows_annotations(version)) text.optional_json("annotations", tool.annotations);
  if (knows_item_meta(version)) text.optional_json("_meta", tool.meta);
}

void append_resource(std::string& out, const Resource& resource, Version version) {
  ObjectText text(out);
  text.string("uri", resource.uri);
  text.string("name", resource.name);
  if (knows_titles(version)) text.optional_string("title", resource.title);
  text.optional_string("description", resource.description);
  text.optional_string("mimeType", resource.mime_type);
  if (knows_resource_size(version) && resource.size) text.number("size", *resource.size);
}

void append_template(std::string& out, const ResourceTemplate& resource, Version version) {
  ObjectText text(out);
  text.string("uriTemplate", resource.uri_template);
  text.string("name", resource.name);
  if (knows_titles(version)) text.optional_string("title", resource.title);
  text.optional_string("description", resource.description);
  text.optional_string("mimeType", resource.mime_type);
}

void append_prompt(std::string& out, const Prompt& prompt, Version version) {
  ObjectText text(out);
  text.string("name", prompt.name);
  if (knows_titles(version)) text.optional_string("title", prompt.title);
  text.optional_string("description", prompt.description);
  if (prompt.arguments.empty()) return;
  Json arguments = Json::array();
  for (const PromptArgument& each : prompt.arguments) {
    Json one = Json::object();
    one["name"] = each.name;
    if (!each.description.empty()) one["description"] = each.description;
    if (each.required) one["required"] = true;
    arguments.push_back(std::move(one));
  }
  text.optional_json("arguments", arguments);
}

void append_tool_result(std::string& out, const ToolResult& result, Version version) {
  if (result.is_prompt) return append_prompt_result(out, result, version);
  out += R"("content":)";
  append_content(out, result.content, version);
  if (knows_structured_content(version) && !result.structured.is_null()) {
    out += R"(,"structuredContent":)";
    append_json(out, result.structured);
  }
  out += result.is_error ? R"(,"isError":true)" : R"(,"isError":false)";
}

void append_contents(std::string& out, const std::vector<ResourceContent>& contents,
                     Version version) {
  out += R"("contents":[)";
  bool first = true;
  for (const ResourceContent& content : contents) {
    if (!first) out += ',';
    first = false;
    ObjectText text(out);
    text.string("uri", content.uri);
    text.optional_string("mimeType", content.mime_type);
    text.string(content.is_base64 ? "blob" : "text", content.data);
    if (knows_item_meta(version)) text.optional_json("_meta", content.meta);
  }
  out += ']';
}

}  // namespace pyember::mcp
