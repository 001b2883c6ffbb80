#include "base/check.h"
#include "mcp/schema.h"
#include "mcp/tool.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace pyember::mcp {
namespace {

bool is_tool_name(std::string_view name) {
  constexpr std::size_t kLongest = 64;
  return !name.empty() && name.size() <= kLongest &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-';
         });
}

}  // namespace

Json text_block(std::string text) {
  Json::object_t block;  // not from a list in braces, which copies: a text may be long
  block.reserve(2);
  block.emplace_back("type", "text");
  block.emplace_back("text", std::move(text));
  return block;
}

ToolResult tool_error(std::string text) {
  ToolResult result;
  result.content.push_back(text_block(std::move(text)));
  result.is_error = true;
  return result;
}

ToolResult tool_result(std::string text, Json structured) {
  ToolResult result;
  result.content.push_back(text_block(std::move(text)));
  result.structured = std::move(structured);
  return result;
}

ToolCatalog::ToolCatalog() = default;
ToolCatalog::~ToolCatalog() = default;
ToolCatalog::ToolCatalog(ToolCatalog&&) noexcept = default;

void ToolCatalog::add(Tool tool) {
  CHECK(is_tool_name(tool.name));
  CHECK(find(tool.name) == nullptr);
  for (const std::string& alias : tool.aliases) {
    CHECK(is_tool_name(alias) && alias != tool.name && find(alias) == nullptr);
  }
  CHECK(!tool.description.empty());
  CHECK(tool.handler != nullptr);
  CHECK(tool.input_schema.is_object() && tool.input_schema.value("type", "") == "object");
  const bool reads_only =
      tool.annotations.is_object() && tool.annotations.value("readOnlyHint", false);
  if (reads_only && tool.begins == Tool::Begins::WhenCalled) tool.begins = Tool::Begins::Never;
  const Json unchecked = {{"type", "object"}};
  auto schema =
      std::make_unique<const Schema>(tool.checks_arguments ? unchecked : tool.input_schema);
  Result<std::vector<ParameterHeader>> headers = parameter_headers(tool.input_schema);
  CHECK(headers.ok());
  entries_.push_back({std::move(tool), std::move(schema), headers.take()});
}

void ToolCatalog::count_calls(const std::function<CallMeter*(std::string_view)>& meter_of) {
  for (Entry& each : entries_) each.tool.meter = meter_of(each.tool.name);
  unknown_meter_ = meter_of({});
}

const ToolCatalog::Entry* ToolCatalog::find(std::string_view name) const {
  for (const Entry& entry : entries_) {
    if (entry.tool.name == name) return &entry;
  }
  for (const Entry& entry : entries_) {
    const auto& aliases = entry.tool.aliases;
    if (std::find(aliases.begin(), aliases.end(), name) != aliases.end()) return &entry;
  }
  return nullptr;
}

}  // namespace pyember::mcp
