#include "host/tools/script_schemas.h"

#include <string_view>
#include <utility>

namespace pyember::host {

using mcp::Json;

InputSchema& InputSchema::add(const char* name, Json schema) {
  properties_[name] = std::move(schema);
  return *this;
}

InputSchema& InputSchema::text(const char* name, const char* description) {
  Json schema = type("string");
  if (description != nullptr) schema["description"] = description;
  return add(name, std::move(schema));
}

InputSchema& InputSchema::texts(const char* name) { return add(name, list_of(text_type())); }

InputSchema& InputSchema::integer(const char* name, std::int64_t by_default) {
  Json schema = type("integer");
  schema["default"] = by_default;
  return add(name, std::move(schema));
}

InputSchema& InputSchema::plain_integer(const char* name) { return add(name, type("integer")); }

InputSchema& InputSchema::number(const char* name, double by_default) {
  Json schema = type("number");
  schema["default"] = by_default;
  return add(name, std::move(schema));
}

InputSchema& InputSchema::flag(const char* name) { return add(name, type("boolean")); }

InputSchema& InputSchema::flag(const char* name, bool by_default) {
  Json schema = type("boolean");
  schema["default"] = by_default;
  return add(name, std::move(schema));
}

InputSchema& InputSchema::map(const char* name) { return add(name, type("object")); }

InputSchema& InputSchema::choice(const char* name, const std::vector<const char*>& values) {
  Json schema = Json::object();
  schema["enum"] = Json::array();
  for (const char* value : values) schema["enum"].push_back(value);
  return add(name, std::move(schema));
}

InputSchema& InputSchema::required(const char* name) {
  required_.push_back(name);
  return *this;
}

InputSchema& InputSchema::isolation() {
  return choice("isolation", {"none", "sandbox", "container"});
}

InputSchema& InputSchema::limits() {
  if (!extended_) return *this;
  plain_integer("memory_limit_mb").plain_integer("cpu_limit_seconds");
  plain_integer("file_size_limit_mb").plain_integer("process_limit");
  return flag("network", true).plain_integer("max_output_chars");
}

Json InputSchema::take() {
  flag("markdown_output", true);
  Json schema = Json::object();
  schema["type"] = "object";
  schema["properties"] = std::move(properties_);
  if (!required_.empty()) schema["required"] = std::move(required_);
  schema["additionalProperties"] = false;
  return schema;
}

Json tags(const std::vector<const char*>& names) {
  Json list = Json::array();
  for (const char* name : names) list.push_back(name);
  Json meta = Json::object();
  meta["fastmcp"]["tags"] = std::move(list);
  return meta;
}

Json hints(Effect effect) {
  Json hints = Json::object();
  hints["readOnlyHint"] = effect == Effect::Reads;
  if (effect != Effect::Reads) {
    hints["destructiveHint"] = effect == Effect::Destroys || effect == Effect::Runs;
  }
  hints["openWorldHint"] = effect == Effect::Runs;
  return hints;
}

namespace {

std::vector<std::pair<const char*, Json>> run_members() {
  Json strategy = Json::object();
  strategy["enum"] = Json::array({"uv-run", "system-python"});
  return {{"stdout", text_type()},
          {"stderr", text_type()},
          {"exit_code", type("integer")},
          {"execution_strategy", strategy},
          {"elapsed_seconds", type("number")},
          {"python_version_used?", text_type()},
          {"auto_added_dependencies?", list_of(text_type())},
          {"setup_seconds?", type("number")},
          {"timed_out?", type("boolean")},
          {"limit?", text_type()},
          {"isolation?", text_type()},
          {"autosaved?", text_type()},
          {"job_id?", text_type()},
          {"note?", text_type()}};
}

}  // namespace

Json run_result_schema() { return object_of(run_members()); }

Json dependencies_result_schema() {
  auto members = run_members();
  members[5].first = "python_version_used";
  members.insert(members.begin() + 5, {"resolved_dependencies", list_of(text_type())});
  members.push_back({"locked_dependencies?", list_of(text_type())});
  return object_of(members);
}

Json background_schema() {
  Json status = Json::object();
  status["enum"] = Json::array({"running", "pending", "started"});
  return object_of({{"job_id", text_type()}, {"status", status}, {"message?", text_type()}});
}

Json job_schema() {
  Json status = Json::object();
  status["enum"] = Json::array({"pending", "running", "completed", "failed", "cancelled"});
  return object_of({{"id", text_type()},
                    {"label", text_type()},
                    {"status", status},
                    {"created_at", nullable("string")},
                    {"started_at", nullable("string")},
                    {"completed_at", nullable("string")},
                    {"error", nullable("string")},
                    {"result", Json::object()},
                    {"progress", nullable("object")},
                    {"partial_stdout?", text_type()},
                    {"partial_stderr?", text_type()},
                    {"new_stdout?", text_type()},
                    {"new_stderr?", text_type()}});
}

}  // namespace pyember::host
