#include "mcp/client_capabilities.h"

#include <array>
#include <string_view>
#include <utility>

namespace pyember::mcp {
namespace {

using Flag = std::pair<std::string_view, bool ClientCapabilities::*>;

constexpr std::array<Flag, 6> kFlags = {{{"forms", &ClientCapabilities::forms},
                                         {"urls", &ClientCapabilities::urls},
                                         {"sampling", &ClientCapabilities::sampling},
                                         {"roots", &ClientCapabilities::roots},
                                         {"tasks", &ClientCapabilities::tasks},
                                         {"ui", &ClientCapabilities::ui}}};

const Json* object_member(const Json& object, std::string_view name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_object() ? &*found : nullptr;
}

}  // namespace

ClientCapabilities read_client_capabilities(const Json& capabilities, Version version) {
  ClientCapabilities found;
  if (!capabilities.is_object() || capabilities.empty()) return found;
  if (knows_elicitation(version)) {
    if (const Json* elicitation = object_member(capabilities, "elicitation")) {
      const bool url = elicitation->contains("url");
      found.forms = !url || elicitation->contains("form");  // {} means forms alone
      found.urls = url && knows_url_elicitation(version);
    }
  }
  found.sampling = object_member(capabilities, "sampling") != nullptr;
  found.roots = object_member(capabilities, "roots") != nullptr;
  if (const Json* extensions = object_member(capabilities, "extensions")) {
    found.tasks = is_modern(version) && object_member(*extensions, extension::kTasks) != nullptr;
    found.ui = object_member(*extensions, extension::kUi) != nullptr;
  }
  return found;
}

Json to_json(const ClientCapabilities& capabilities) {
  Json json = Json::object();
  for (const auto& [name, flag] : kFlags) {
    if (capabilities.*flag) json[name] = true;
  }
  return json;
}

ClientCapabilities client_capabilities_from_json(const Json& json) {
  ClientCapabilities capabilities;
  if (!json.is_object()) return capabilities;
  for (const auto& [name, flag] : kFlags) {
    const auto found = json.find(name);
    capabilities.*flag = found != json.end() && found->is_boolean() && found->get<bool>();
  }
  return capabilities;
}

}  // namespace pyember::mcp
