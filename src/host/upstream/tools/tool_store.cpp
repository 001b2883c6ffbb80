#include "host/upstream/tools/tool_store.h"

#include <spdlog/spdlog.h>

#include <memory>
#include <utility>

#include "base/limits.h"
#include "host/scripts/text_file.h"
#include "mcp/json_members.h"

// A file holds {"version":1,"fingerprint":…,"tools":[…],"start_seconds":…}: the server's name is
// not in it, since the fingerprint is made from that, and neither is anything else of the
// configuration.
namespace pyember::host {

using mcp::Json;

namespace {

constexpr int kVersion = 1;
constexpr mcp::JsonBounds kBounds{limits::kMaximumJsonDepth + 8, limits::kUpstreamJsonMembers,
                                  limits::kUpstreamJsonValues};

bool names_file(std::string_view fingerprint) {
  return fingerprint.size() == 64 &&
         fingerprint.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// The content of a file; null: it is none.
Json read_file(const std::string& path, const std::string& fingerprint) {
  const Result<std::string> text = read_text_file(path, limits::kUpstreamToolsFileBytes);
  if (!text) return nullptr;
  Result<Json> json = mcp::parse_json(text.value(), kBounds);
  if (!json || mcp::number_in(json.value(), "version") != kVersion) return nullptr;
  if (mcp::text_in(json.value(), "fingerprint") != fingerprint) return nullptr;
  const auto tools = json.value().find("tools");
  if (tools == json.value().end() || !tools->is_array()) return nullptr;
  return json.take();
}

void write_file(const std::string& folder, const std::string& path, const ServerTools& tools,
                std::optional<double> start_seconds) {
  Json content = {
      {"version", kVersion}, {"fingerprint", tools.fingerprint}, {"tools", tools_as_json(tools)}};
  if (start_seconds) content["start_seconds"] = *start_seconds;
  const std::string text = mcp::to_json_text(content);
  if (text.size() > limits::kUpstreamToolsFileBytes) return;  // asked for again, each time
  Result<void> written = make_folder(folder);
  if (written) written = write_text_file(path, text);
  if (!written) {
    spdlog::warn("upstream_tools_not_kept server=\"{}\" why=\"{}\"", tools.server,
                 written.error().message);
  }
}

bool same_tools(const ServerTools& left, const ServerTools& right) {
  return tools_as_json(left) == tools_as_json(right);
}

}  // namespace

ToolStore::ToolStore(std::string folder, std::vector<UpstreamDefinition> definitions,
                     Background background)
    : folder_(std::move(folder)), background_(std::move(background)) {
  for (UpstreamDefinition& definition : definitions) places_.push_back({std::move(definition)});
}

ToolStore::~ToolStore() = default;

ToolStore::Place* ToolStore::place_of(std::string_view server) {
  for (Place& place : places_) {
    if (place.definition.name == server) return &place;
  }
  for (Place& place : places_) {
    if (place.definition.alias == server) return &place;
  }
  return nullptr;
}

std::string ToolStore::file_of(const std::string& fingerprint) const {
  return folder_ + '/' + fingerprint + ".json";
}

void ToolStore::read(Place& place) {
  if (std::exchange(place.read, true) || !names_file(place.definition.fingerprint)) return;
  const Json content =
      read_file(file_of(place.definition.fingerprint), place.definition.fingerprint);
  if (content.is_null()) return;
  place.tools = std::make_shared<const ServerTools>(read_tools(place.definition, content["tools"]));
  if (content.contains("start_seconds")) {
    place.start_seconds = mcp::number_in(content, "start_seconds");
  }
  ++version_;
}

SharedTools ToolStore::put(const UpstreamDefinition& definition, const Json& tools,
                           std::optional<double> start_seconds) {
  SharedTools listed = std::make_shared<const ServerTools>(read_tools(definition, tools));
  Place* place = place_of(definition.name);
  if (place == nullptr) return listed;
  read(*place);
  const bool same = place->tools && same_tools(*place->tools, *listed);
  if (same && (!start_seconds || start_seconds == place->start_seconds)) return place->tools;
  if (start_seconds) place->start_seconds = start_seconds;
  if (!same) {
    place->tools = std::move(listed);
    ++version_;
  }
  write(*place);
  return place->tools;
}

void ToolStore::write(const Place& place) {
  if (!names_file(place.tools->fingerprint)) return;
  background_(
      [folder = folder_, path = file_of(place.tools->fingerprint), tools = place.tools,
       start_seconds = place.start_seconds] { write_file(folder, path, *tools, start_seconds); });
}

std::optional<double> ToolStore::start_seconds(std::string_view server) {
  Place* place = place_of(server);
  if (place == nullptr) return std::nullopt;
  read(*place);
  return place->start_seconds;
}

SharedTools ToolStore::find(std::string_view server) {
  Place* place = place_of(server);
  if (place == nullptr) return nullptr;
  read(*place);
  return place->tools;
}

std::vector<SharedTools> ToolStore::all() {
  std::vector<SharedTools> found;
  for (Place& place : places_) {
    read(place);
    if (place.tools) found.push_back(place.tools);
  }
  return found;
}

std::vector<std::string> ToolStore::unknown() {
  std::vector<std::string> names;
  for (Place& place : places_) {
    read(place);
    if (!place.tools) names.push_back(place.definition.name);
  }
  return names;
}

}  // namespace pyember::host
