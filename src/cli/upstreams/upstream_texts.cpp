#include "cli/upstreams/upstream_texts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "host/upstream/tools/tool_docs.h"

namespace pyember::cli {

using mcp::Json;

namespace {

Json names_of(const std::map<std::string, std::string>& pairs) {
  Json names = Json::array();
  for (const auto& pair : pairs) names.push_back(pair.first);
  return names;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string shown;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // C1 controls are two bytes in UTF-8: C2 80 to C2 9F.
    const bool c1 =
        byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (c1) ++i;
    shown += c1 || byte < 0x20 || byte == 0x7F ? ' ' : text[i];
  }
  return shown;
}

std::string short_path(const std::string& path) {
  const char* home = std::getenv("HOME");
  const std::string folder = home == nullptr ? "" : std::string(home) + "/";
  if (folder.size() < 2 || !path.starts_with(folder)) return printable(path);
  return "~/" + printable(path.substr(folder.size()));
}

std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string counted(std::uint64_t number, std::string_view noun) {
  return fmt::format("{} {}{}", grouped(number), noun, number == 1 ? "" : "s");
}

std::uint64_t schema_tokens(const host::ServerTools& tools) {
  constexpr std::uint64_t kBytesOfToken = 4;
  std::uint64_t bytes = 0;
  for (const host::ToolDescription& tool : tools.tools) {
    const Json listed{
        {"name", tool.name}, {"description", tool.description}, {"inputSchema", tool.input_schema}};
    bytes += mcp::to_json_text(listed).size();
  }
  return bytes / kBytesOfToken;
}

std::string tools_and_tokens(const host::ServerTools& tools) {
  return fmt::format("{}, about {}", counted(tools.tools.size(), "tool"),
                     counted(schema_tokens(tools), "token"));
}

void write_wrapped(const Terminal& out, const std::vector<std::string>& words,
                   std::string_view indent) {
  const auto width = static_cast<std::size_t>(std::max(40, out.columns()));
  std::string line;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string word = printable(words[i]) + (i + 1 < words.size() ? "," : "");
    if (!line.empty() && indent.size() + width_of(line) + 1 + width_of(word) > width) {
      out.write_line(std::string(indent) + line);
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  if (!line.empty()) out.write_line(std::string(indent) + line);
}

Json describe_definition(const host::UpstreamDefinition& definition) {
  const bool is_http = definition.kind == host::UpstreamDefinition::Kind::Http;
  Json described{{"name", definition.name},
                 {"alias", definition.alias},
                 {"kind", is_http ? "http" : "stdio"},
                 {"start", definition.shown},
                 {"source", definition.source}};
  if (!definition.description.empty()) described["description"] = definition.description;
  if (!definition.working_directory.empty()) described["cwd"] = definition.working_directory;
  if (!definition.environment.empty()) described["env"] = names_of(definition.environment);
  if (!definition.headers.empty()) described["headers"] = names_of(definition.headers);
  return described;
}

std::string pretty(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

std::vector<host::UpstreamDefinition> chosen(const std::vector<host::UpstreamDefinition>& all,
                                             const std::vector<std::string>& names,
                                             bool& complete) {
  complete = true;
  if (names.empty()) return all;
  std::vector<host::UpstreamDefinition> found;
  for (const std::string& name : names) {
    auto one =
        std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.name == name; });
    if (one == all.end()) {
      one = std::find_if(all.begin(), all.end(),
                         [&](const auto& each) { return each.alias == name; });
    }
    if (one != all.end()) {
      found.push_back(*one);
      continue;
    }
    complete = false;
    const Terminal err = Terminal::err();
    err.write_line(err.styled(Style::Red, "pyember: ") +
                   printable(host::no_such_server({all, {}, {}}, name)));
  }
  return found;
}

}  // namespace pyember::cli
