#include "cli/upstreams/list_upstreams.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/limits.h"
#include "cli/upstreams/upstream_texts.h"
#include "host/options.h"
#include "host/upstream/config/load.h"
#include "host/upstream/tools/tool_store.h"

namespace pyember::cli {

using host::ReadConfigFile;
using mcp::Json;

namespace {

class Listing {
 public:
  Listing(const host::LoadedUpstreams& loaded, std::vector<host::UpstreamDefinition> shown)
      : loaded_(loaded),
        shown_(std::move(shown)),
        store_(tools_folder(), shown_, [](const std::function<void()>& work) { work(); }) {}

  void write() {
    for (const auto& definition : shown_) write_one(definition);
    if (shown_.empty()) write_none();
    if (shown_.size() > 1) write_sum();
    for (const std::string& warning : loaded_.configuration.warnings) {
      out_.write_line(out_.styled(Style::Yellow, "warning: ") + printable(warning));
    }
    if (!loaded_.configuration.not_imported.empty()) write_not_imported();
  }

  Json as_json() {
    Json servers = Json::array();
    for (const auto& definition : shown_) {
      Json described = describe_definition(definition);
      const host::SharedTools tools = store_.find(definition.name);
      described["tools"] = nullptr;
      if (tools) {
        Json names = Json::array();
        for (const auto& tool : tools->tools) names.push_back(tool.name);
        described["tools"] = std::move(names);
        described["schema_tokens"] = schema_tokens(*tools);
        if (const auto start = store_.start_seconds(definition.name)) {
          described["start_seconds"] = *start;
        }
      }
      servers.push_back(std::move(described));
    }
    Json files = Json::array();
    for (const ReadConfigFile& each : loaded_.files) {
      Json file{{"path", each.file.path}, {"state", host::to_string(each.state)}};
      if (!each.file.client.empty()) file["client"] = each.file.client;
      files.push_back(std::move(file));
    }
    return Json{{"servers", std::move(servers)},
                {"files", std::move(files)},
                {"warnings", loaded_.configuration.warnings}};
  }

 private:
  void write_one(const host::UpstreamDefinition& definition) {
    const host::SharedTools tools = store_.find(definition.name);
    std::string title = out_.styled(Style::Bold, printable(definition.name));
    if (definition.alias != definition.name) title += " (mcp_" + definition.alias + ")";
    std::string about = tools ? tools_and_tokens(*tools)
                              : "tools not known yet; pyember upstreams test asks for them";
    if (const auto start = store_.start_seconds(definition.name)) {
      about += ", started in " + plain_duration(*start);
    }
    out_.write_line(title + "  " + about);
    if (!definition.description.empty()) {
      out_.write_line("  " + shortened(printable(definition.description), kDescriptionWidth));
    }
    out_.write_line("  " + printable(definition.shown));
    out_.write_line(out_.styled(Style::Dim, "  from " + short_path(definition.source)));
    if (!tools) return;
    std::vector<std::string> names;
    for (const auto& tool : tools->tools) names.push_back(tool.name);
    write_wrapped(out_, names, "  ");
  }

  void write_none() {
    out_.write_line(
        "No MCP servers are configured. Define them in ~/MCPs/servers.json, as in a client's file: "
        R"({"mcpServers": {"time": {"command": "uvx", "args": ["mcp-server-time"]}}})");
  }

  void write_sum() {
    const std::vector<host::SharedTools> known = store_.all();
    std::uint64_t count = 0;
    std::uint64_t tokens = 0;
    for (const host::SharedTools& tools : known) {
      count += tools->tools.size();
      tokens += schema_tokens(*tools);
    }
    if (count == 0) return;
    out_.write_line(fmt::format(
        "{} of {}: listed to a client they would take about {} of each request. Here code finds "
        "and calls them, and a client sees run_python.",
        counted(count, "tool"), counted(known.size(), "server"), counted(tokens, "token")));
  }

  void write_not_imported() {
    out_.write_line(fmt::format(
        "Not read, because nobody has said that they may be: {}. pyember upstreams import shows "
        "what they define, and asks.",
        counted(loaded_.configuration.not_imported.size(), "file")));
    for (const ReadConfigFile& each : loaded_.files) {
      const auto& waiting = loaded_.configuration.not_imported;
      if (std::find(waiting.begin(), waiting.end(), each.file.path) == waiting.end()) continue;
      out_.write_line(fmt::format("  {}  {}", short_path(each.file.path),
                                  out_.styled(Style::Dim, each.file.client)));
    }
  }

  static constexpr std::size_t kDescriptionWidth = 100;

  const host::LoadedUpstreams& loaded_;
  const std::vector<host::UpstreamDefinition> shown_;
  host::ToolStore store_;
  const Terminal out_ = Terminal::out();
};

}  // namespace

std::string tools_folder() { return host::find_state_directory() + "/upstream-tools"; }

int list_upstreams(const UpstreamsCommand& command) {
  const host::LoadedUpstreams loaded =
      host::load_upstream_files(host::find_upstream_config_places(command.files));
  bool complete = true;
  Listing listing(loaded, chosen(loaded.configuration.upstreams, command.names, complete));
  if (command.json) {
    Terminal::out().write_line(pretty(listing.as_json()));
  } else if (complete) {
    listing.write();
  }
  return complete ? 0 : 1;
}

}  // namespace pyember::cli
