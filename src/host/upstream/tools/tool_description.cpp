#include "host/upstream/tools/tool_description.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/limits.h"
#include "base/utf8.h"
#include "host/upstream/config/definition.h"
#include "mcp/json_members.h"

namespace pyember::host {

using mcp::Json;

namespace {

// Aliases are in lower case, so False, None and True are none of them.
constexpr std::array<std::string_view, 32> kKeywords = {
    "and",    "as",   "assert", "async",  "await",  "break",   "class",    "continue",
    "def",    "del",  "elif",   "else",   "except", "finally", "for",      "from",
    "global", "if",   "import", "in",     "is",     "lambda",  "nonlocal", "not",
    "or",     "pass", "raise",  "return", "try",    "while",   "with",     "yield"};

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

std::string plain_alias(std::string_view name) {
  std::string alias;
  bool in_run = false;
  for (char c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const bool good = is_name_character(c);
    if (good) alias += c;
    if (!good && !in_run) alias += '_';
    in_run = !good;
  }
  if (alias.empty() || (alias[0] >= '0' && alias[0] <= '9')) alias.insert(0, 1, '_');
  if (std::find(kKeywords.begin(), kKeywords.end(), alias) != kKeywords.end()) alias += '_';
  return alias;
}

// How many values it is made of; stops counting above the bound.
std::size_t count_values(const Json& value, std::size_t bound) {
  std::size_t count = 1;
  if (!value.is_structured()) return count;
  for (const Json& member : value) {
    if (count > bound) return count;
    count += count_values(member, bound);
  }
  return count;
}

// An object of bearable size, or null.
Json object_in(const Json& entry, std::string_view name) {
  const auto member = entry.find(name);
  if (member == entry.end() || !member->is_object()) return nullptr;
  if (count_values(*member, limits::kUpstreamSchemaValues) > limits::kUpstreamSchemaValues) {
    return nullptr;
  }
  return *member;
}

std::string bounded_text(const Json& entry, std::string_view name) {
  std::string text = utf8::repaired(mcp::text_in(entry, name));
  if (text.size() <= limits::kUpstreamToolTextBytes) return text;
  text.resize(limits::kUpstreamToolTextBytes);
  text.resize(utf8::valid_prefix(text));
  return text + " …";
}

ToolDescription read_tool(const Json& entry, std::string name) {
  ToolDescription tool;
  tool.name = std::move(name);
  tool.title = bounded_text(entry, "title");
  tool.description = bounded_text(entry, "description");
  tool.input_schema = object_in(entry, "inputSchema");
  if (tool.input_schema.is_null()) tool.input_schema = {{"type", "object"}};
  tool.output_schema = object_in(entry, "outputSchema");
  tool.annotations = object_in(entry, "annotations");
  if (tool.title.empty()) tool.title = bounded_text(tool.annotations, "title");
  return tool;
}

void give_aliases(std::vector<ToolDescription>& tools) {
  std::vector<std::string_view> names;
  names.reserve(tools.size());
  for (const ToolDescription& tool : tools) names.push_back(tool.name);
  std::vector<std::string> aliases = tool_aliases(names);
  for (std::size_t i = 0; i < tools.size(); ++i) tools[i].alias = std::move(aliases[i]);
}

}  // namespace

std::vector<std::string> tool_aliases(const std::vector<std::string_view>& names) {
  std::vector<std::string> aliases;
  aliases.reserve(names.size());
  std::unordered_set<std::string> taken;
  std::unordered_map<std::string, std::size_t> last;  // so that many of one name take no square
  for (const std::string_view name : names) {
    const std::string plain = plain_alias(name);
    std::string alias = plain;
    std::size_t& number = last.try_emplace(plain, 1).first->second;
    while (!taken.insert(alias).second) alias = plain + '_' + std::to_string(++number);
    aliases.push_back(std::move(alias));
  }
  return aliases;
}

const ToolDescription* ServerTools::find(std::string_view name_or_alias) const {
  for (const ToolDescription& tool : tools) {
    if (tool.name == name_or_alias) return &tool;
  }
  for (const ToolDescription& tool : tools) {
    if (tool.alias == name_or_alias) return &tool;
  }
  return nullptr;
}

ServerTools read_tools(const UpstreamDefinition& definition, const Json& tools) {
  ServerTools result{
      definition.name, definition.alias, definition.description, definition.fingerprint, {}};
  if (!tools.is_array()) return result;
  std::unordered_set<std::string> seen;
  for (const Json& entry : tools) {
    if (result.tools.size() >= limits::kUpstreamTools) break;
    std::string name = mcp::text_in(entry, "name");
    if (name.empty() || name.size() > limits::kUpstreamToolNameBytes) continue;
    if (!utf8::is_valid(name) || !seen.insert(name).second) continue;
    result.tools.push_back(read_tool(entry, std::move(name)));
  }
  give_aliases(result.tools);
  return result;
}

Json tools_as_json(const ServerTools& tools) {
  Json list = Json::array();
  for (const ToolDescription& tool : tools.tools) {
    Json entry = {{"name", tool.name}};
    if (!tool.title.empty()) entry["title"] = tool.title;
    if (!tool.description.empty()) entry["description"] = tool.description;
    entry["inputSchema"] = tool.input_schema;
    if (!tool.output_schema.is_null()) entry["outputSchema"] = tool.output_schema;
    if (!tool.annotations.is_null()) entry["annotations"] = tool.annotations;
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace pyember::host
