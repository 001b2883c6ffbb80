#include "host/tasks/stored_task.h"

#include <utility>

#include "host/jobs/job_record.h"
#include "mcp/json_members.h"

namespace pyember::host {

using mcp::Json;
using mcp::text_in;

namespace {

using Outcome = decltype(mcp::TaskRecord::outcome);

Json member(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? Json() : *found;
}

std::int64_t integer_in(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

Json to_json(const mcp::ToolResult& result) {
  return {{"content", result.content},
          {"structured", result.structured},
          {"is_error", result.is_error},
          {"meta", result.meta}};
}

Json to_json(const mcp::RpcError& error) {
  return {{"code", static_cast<int>(error.code)}, {"message", error.message}, {"data", error.data}};
}

mcp::ToolResult result_from(const Json& json) {
  mcp::ToolResult result;
  if (Json content = member(json, "content"); content.is_array()) {
    result.content = std::move(content);
  }
  if (Json structured = member(json, "structured"); structured.is_object()) {
    result.structured = std::move(structured);
  }
  result.is_error = mcp::flag_in(json, "is_error");
  if (Json meta = member(json, "meta"); meta.is_object()) result.meta = std::move(meta);
  return result;
}

mcp::RpcError error_from(const Json& json) {
  mcp::RpcError error;
  if (const std::int64_t code = integer_in(json, "code"); code != 0) {
    error.code = static_cast<mcp::RpcCode>(code);
  }
  error.message = text_in(json, "message");
  error.data = member(json, "data");
  return error;
}

Outcome outcome_from(const Json& json) {
  if (const Json result = member(json, "result"); result.is_object()) return result_from(result);
  if (const Json error = member(json, "error"); error.is_object()) return error_from(error);
  if (mcp::flag_in(json, "cancelled")) return mcp::TaskCancelled();
  return std::nullopt;
}

}  // namespace

Json to_json(const StoredTask& stored) {
  const mcp::TaskRecord& task = stored.task;
  Json json = {{"id", task.id},
               {"tool", task.tool},
               {"created_ms", task.created_ms},
               {"updated_ms", task.updated_ms},
               {"message", task.message},
               {"lasting_work", task.lasting_work},
               {"server", to_json(stored.server)}};
  if (!task.outcome) return json;
  if (const auto* result = std::get_if<mcp::ToolResult>(&*task.outcome)) {
    json["result"] = to_json(*result);
  } else if (const auto* error = std::get_if<mcp::RpcError>(&*task.outcome)) {
    json["error"] = to_json(*error);
  } else {
    json["cancelled"] = true;
  }
  return json;
}

std::optional<StoredTask> stored_task_from(const Json& json) {
  if (!json.is_object()) return std::nullopt;
  StoredTask stored;
  mcp::TaskRecord& task = stored.task;
  task.id = text_in(json, "id");
  task.tool = text_in(json, "tool");
  task.created_ms = integer_in(json, "created_ms");
  task.updated_ms = integer_in(json, "updated_ms");
  if (task.id.empty() || task.created_ms <= 0) return std::nullopt;
  task.message = text_in(json, "message");
  task.lasting_work = text_in(json, "lasting_work");
  task.outcome = outcome_from(json);
  stored.server = process_identity_from(member(json, "server")).value_or(ProcessIdentity());
  return stored;
}

}  // namespace pyember::host
