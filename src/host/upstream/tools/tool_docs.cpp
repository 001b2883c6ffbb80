#include "host/upstream/tools/tool_docs.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "base/utf8.h"
#include "host/upstream/tools/argument_check.h"
#include "host/upstream/tools/python_types.h"
#include "host/upstream/tools/schema_parts.h"
#include "host/upstream/tools/tool_index.h"
#include "mcp/errors.h"
#include "mcp/json_members.h"
#include "mcp/nearest_name.h"

namespace pyember::host {

using mcp::Json;

namespace {

constexpr std::size_t kShownDefault = 60;
constexpr std::size_t kNamesListed = 12;
constexpr int kDeepestListed = 3;  // of arguments within arguments

// --- signatures ----------------------------------------------------------------------------------

std::string parameter(const std::string& name, const Json& property, const Json& root,
                      bool required) {
  const std::string text = fmt::format("{}: {}", name, python_type(property, root));
  const Json* fallback = default_of(property, root);
  if (fallback != nullptr) return text + " = " + python_literal(*fallback, kShownDefault);
  return required ? text : text + " = ...";
}

// What a schema takes besides the arguments that it names; empty: nothing that it speaks of.
std::string other_parameters(const Json& schema) {
  const auto others = schema.find("additionalProperties");
  if (others == schema.end()) {
    return object_member(schema, "properties").empty() && !schema.contains("properties")
               ? "**arguments: Any"
               : "";
  }
  if (others->is_boolean()) return others->get<bool>() ? "**arguments: Any" : "";
  return "**arguments: " + python_type(*others, schema);
}

// The value of a call as code gets it: of {"result": …} that is alone, what is in it.
std::string returned_type(const ToolDescription& tool) {
  if (tool.output_schema.is_null()) return "Any";
  const Json* schema = resolved_schema(tool.output_schema, tool.output_schema);
  if (schema == nullptr) return "Any";
  const Json& properties = object_member(*schema, "properties");
  const bool wrapped = properties.size() == 1 && properties.contains("result");
  return python_type(wrapped ? properties.at("result") : *schema, tool.output_schema);
}

std::string signature(const ToolDescription& tool, bool with_optional) {
  const Json& schema = tool.input_schema;
  const Json& properties = object_member(schema, "properties");
  std::string text;
  const auto add = [&text](const std::string& part) {
    if (!part.empty()) text += (text.empty() ? "" : ", ") + part;
  };
  for (const std::string& name : parameter_order(schema)) {
    const bool required = is_required(schema, name);
    if (!is_python_name(name) || (!required && !with_optional)) continue;
    add(parameter(name, properties.at(name), schema, required));
    if (text.size() > limits::kSignatureBytes) break;
  }
  add(with_optional ? other_parameters(schema) : "**arguments: Any");
  return fmt::format("{}({}) -> {}", tool.alias, text, returned_type(tool));
}

// --- docstrings ----------------------------------------------------------------------------------

std::string one_line(std::string_view text) {
  std::string line;
  bool space = false;
  for (const char c : text) {
    const bool blank = c == ' ' || c == '\n' || c == '\r' || c == '\t';
    if (!blank && space && !line.empty()) line += ' ';
    if (!blank) line += c;
    space = blank;
  }
  return line;
}

class ArgumentLines {
 public:
  explicit ArgumentLines(const Json& root) : root_(root) {}

  // A line for each property, and below it, further in, those of what it holds.
  void add(const Json& schema, int depth) {
    const Json& properties = object_member(schema, "properties");
    for (const std::string& name : parameter_order(schema)) {
      if (text_.size() > limits::kDocstringBytes) return;
      add_one(name, properties.at(name), is_required(schema, name), depth);
    }
  }

  std::string take() { return std::move(text_); }

 private:
  void add_one(const std::string& name, const Json& property, bool required, int depth) {
    const Json* place = resolved_schema(property, root_);
    const std::string description =
        one_line(description_of(property, place != nullptr ? *place : property));
    const Json* fallback = default_of(property, root_);
    text_ += fmt::format("{:{}}{} ({}{})", "", 4 * depth, name, python_type(property, root_),
                         required && fallback == nullptr ? "" : ", optional");
    if (!description.empty()) text_ += ": " + description;
    if (fallback != nullptr) {
      text_ += fmt::format(" Default: {}.", python_literal(*fallback, kShownDefault));
    }
    if (depth == 1 && !is_python_name(name))
      text_ += fmt::format(" Pass it as **{{'{}': …}}.", name);
    text_ += '\n';
    if (place == nullptr || depth >= kDeepestListed) return;
    const Json* items = resolved_schema(object_member(*place, "items"), root_);
    if (items != nullptr) add(*items, depth + 1);
    add(*place, depth + 1);
  }

  static std::string description_of(const Json& property, const Json& place) {
    std::string own = mcp::text_in(property, "description");
    return own.empty() ? mcp::text_in(place, "description") : own;
  }

  const Json& root_;
  std::string text_;
};

// What the upstream says of itself, as it may be wrong.
std::string hints(const ToolDescription& tool) {
  if (mcp::flag_in(tool.annotations, "readOnlyHint")) return "Said to change nothing.";
  if (mcp::flag_in(tool.annotations, "destructiveHint")) return "Said to destroy or overwrite.";
  return {};
}

// --- mistaken names ------------------------------------------------------------------------------

std::string same_letters(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c >= 'A' && c <= 'Z') out += static_cast<char>(c - 'A' + 'a');
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) out += c;
  }
  return out;
}

// The tools that were perhaps meant: the one that is spelt nearly so, then those of such words.
std::vector<std::string> meant_tools(const ServerTools& server, std::string_view name) {
  std::vector<std::string> meant;
  const auto add = [&meant](const std::string& alias) {
    if (std::find(meant.begin(), meant.end(), alias) == meant.end()) meant.push_back(alias);
  };
  const std::string letters = same_letters(name);
  std::vector<std::string_view> names;
  for (const ToolDescription& tool : server.tools) {
    if (!letters.empty() && same_letters(tool.name) == letters) add(tool.alias);
    names.emplace_back(tool.alias);
  }
  if (const std::string_view near = mcp::nearest_name(name, names); !near.empty()) {
    add(std::string(near));
  }
  const ToolIndex index({std::make_shared<const ServerTools>(server)});
  for (const ToolIndex::Found& found : index.search(name, 3)) add(found.tool->alias);
  return meant;
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i == kNamesListed) return fmt::format("{} and {} more", text, names.size() - i);
    text += (i == 0 ? "" : ", ") + names[i];
  }
  return text;
}

}  // namespace

DocDetail doc_detail(std::string_view word) {
  return word == "full" ? DocDetail::Full : DocDetail::Summary;
}

Json tool_doc(const ServerTools& server, const ToolDescription& tool, DocDetail detail) {
  Json doc = {{"name", tool.name},
              {"server", server.server},
              {"serverAlias", server.alias},
              {"tool", tool.name},
              {"toolAlias", tool.alias}};
  if (!tool.description.empty()) doc["description"] = tool.description;
  if (detail == DocDetail::Summary) return doc;
  doc["signature"] = tool_signature(tool);
  doc["docstring"] = tool_docstring(tool);
  doc["inputSchema"] = tool.input_schema;
  if (!tool.output_schema.is_null()) doc["outputSchema"] = tool.output_schema;
  return doc;
}

Json tool_specification(const ToolDescription& tool) {
  Json specification = {{"name", tool.name}, {"alias", tool.alias}};
  if (!tool.title.empty()) specification["title"] = tool.title;
  specification["description"] = tool.description;
  specification["input_schema"] = tool.input_schema;
  specification["output_schema"] = tool.output_schema;
  specification["annotations"] = tool.annotations;
  specification["parameters"] = parameter_order(tool.input_schema);
  return specification;
}

std::string tool_signature(const ToolDescription& tool) {
  std::string whole = signature(tool, true);
  if (whole.size() <= limits::kSignatureBytes) return whole;
  std::string shorter = signature(tool, false);
  return shorter.size() <= limits::kSignatureBytes
             ? shorter
             : fmt::format("{}(**arguments: Any) -> Any", utf8::head(tool.alias, 200));
}

std::string tool_docstring(const ToolDescription& tool) {
  std::string text = tool.description.empty() ? tool.title : tool.description;
  const auto add = [&text](const std::string& paragraph) {
    if (!paragraph.empty()) text += (text.empty() ? "" : "\n\n") + paragraph;
  };
  ArgumentLines lines(tool.input_schema);
  lines.add(tool.input_schema, 1);
  std::string arguments = lines.take();
  if (!arguments.empty()) arguments.pop_back();  // its last newline
  add(arguments.empty() ? "" : "Arguments:\n" + arguments);
  add(hints(tool));
  if (text.size() <= limits::kDocstringBytes) return text;
  text.resize(limits::kDocstringBytes);
  text.resize(utf8::valid_prefix(text));
  return text + " …";
}

std::string no_such_tool(const ServerTools& server, std::string_view name) {
  const std::vector<std::string> meant = meant_tools(server, name);
  std::string what =
      fmt::format("Tool {} not found for server {}: ", mcp::in_quotes(name), server.server);
  what += meant.empty() ? fmt::format("none of its {} tools is called so. ", server.tools.size())
                        : fmt::format("did you mean {}? ", listed(meant));
  return what +
         fmt::format("await runtime.query_tool_docs('{}') tells what there is.", server.alias);
}

std::string no_such_server(const UpstreamConfiguration& configured, std::string_view name) {
  std::vector<std::string_view> candidates;
  std::vector<std::string> names;
  for (const UpstreamDefinition& server : configured.upstreams) {
    candidates.emplace_back(server.name);
    candidates.emplace_back(server.alias);
    names.push_back(server.name);
  }
  std::string what = fmt::format("Unknown MCP server: {}. ", utf8::repaired(utf8::head(name, 80)));
  // Their names are nothing to code, which may be behind a boundary.
  const std::size_t files = configured.not_imported.size();
  const std::string waiting =
      files == 0 ? ""
                 : fmt::format(
                       " {} that nobody has allowed to be read may define more: the user "
                       "can run `pyember upstreams import`.",
                       files == 1 ? "A file" : fmt::format("{} files", files));
  if (names.empty()) {
    return what +
           "No MCP servers are configured. `pyember upstreams list` tells where they are "
           "looked for." +
           waiting;
  }
  const std::string_view near = mcp::nearest_name(name, candidates);
  what += near.empty() ? fmt::format("Configured are {}. ", listed(names))
                       : fmt::format("Did you mean {}? ", near);
  return what + "runtime.discovered_servers() tells what there is." + waiting;
}

}  // namespace pyember::host
