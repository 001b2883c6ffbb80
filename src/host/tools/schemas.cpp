#include "host/tools/schemas.h"

#include <string_view>

namespace pyember::host {

using mcp::Json;

Json type(const char* name) {
  Json schema = Json::object();
  schema["type"] = name;
  return schema;
}

Json text_type() { return type("string"); }

Json nullable(const char* name) {
  Json schema = Json::object();
  schema["type"] = Json::array({name, "null"});
  return schema;
}

Json list_of(Json items) {
  Json schema = type("array");
  schema["items"] = std::move(items);
  return schema;
}

Json object_of(const std::vector<std::pair<const char*, Json>>& members) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const auto& [member, schema] : members) {
    std::string_view name(member);
    const bool optional = name.back() == '?';
    if (optional) name.remove_suffix(1);
    properties[std::string(name)] = schema;
    if (!optional) required.push_back(std::string(name));
  }
  Json schema = type("object");
  schema["properties"] = std::move(properties);
  if (!required.empty()) schema["required"] = std::move(required);
  return schema;
}

Json one_of(std::vector<Json> schemas) {
  Json schema = type("object");
  schema["oneOf"] = Json::array();
  for (Json& each : schemas) schema["oneOf"].push_back(std::move(each));
  return schema;
}

Json wrapped_list(Json items) { return object_of({{"result", list_of(std::move(items))}}); }

Json described(const char* name, const char* description) {
  Json schema = type(name);
  schema["description"] = description;
  return schema;
}

Json session_argument(const char* description) {
  Json schema = described("string", description);
  schema["x-mcp-header"] = "Session";
  return schema;
}

Json annotations(Hints hints) {
  return {{"readOnlyHint", hints.read_only},
          {"destructiveHint", hints.destructive},
          {"idempotentHint", hints.idempotent},
          {"openWorldHint", hints.open_world}};
}

}  // namespace pyember::host
