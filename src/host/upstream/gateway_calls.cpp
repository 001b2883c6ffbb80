#include <fmt/format.h>

#include <utility>

#include "base/limits.h"
#include "base/utf8.h"
#include "host/metrics/server_metrics.h"
#include "host/questions/upstream_questions.h"
#include "host/upstream/gateway.h"
#include "host/upstream/tools/argument_check.h"
#include "host/upstream/tools/tool_docs.h"

// The operations that reach an upstream with what the code wants of it: calls of tools, reading of
// resources, prompts. Each is judged before it is sent, and written down when it is over.

namespace pyember::host {

using mcp::Json;

namespace {

std::string text_of(const Json& fields, const char* member) {
  const auto found = fields.find(member);
  return found != fields.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::shared_ptr<RunConsent> consent_of(const RunPermit& permit) {
  auto consent = std::make_shared<RunConsent>(RunConsent{permit.session, permit.client});
  consent->clock = permit.clock;
  return consent;
}

CallError wrong(std::string message) { return {"arguments", std::move(message)}; }

// What a tool that answers isError has to say, for the exception's text.
std::string said_by(const Json& result) {
  std::string text;
  if (const auto content = result.find("content"); content != result.end() && content->is_array()) {
    for (const Json& each : *content) {
      const std::string part = each.is_object() ? text_of(each, "text") : std::string();
      if (part.empty()) continue;
      if (!text.empty()) text += '\n';
      text += part;
      if (text.size() > limits::kToolErrorBytes) break;
    }
  }
  return std::string(utf8::head(text, limits::kToolErrorBytes));
}

// What it says stands first and alone on its lines: code may look for it.
CallError error_of_tool(const UpstreamDefinition& server, const std::string& tool, Json result) {
  std::string said = said_by(result);
  if (said.empty()) {
    said = fmt::format(
        "The tool {} of server '{}' failed and did not say why. Look at the "
        "exception's .result, check the arguments, and call again.",
        tool, server.name);
  }
  return {"tool", std::move(said), std::move(result)};
}

bool says_error(const Json& result) {
  const auto found = result.find("isError");
  return found != result.end() && found->is_boolean() && found->get<bool>();
}

}  // namespace

// --- tools ---------------------------------------------------------------------------------------

void UpstreamGateway::call(std::uint64_t id) {
  Json& fields = find(id)->order.fields;
  if (text_of(fields, "tool").empty()) {
    return fail(id, wrong("Missing tool name: nothing was sent. Give the tool's name or alias."));
  }
  if (const auto given = fields.find("arguments"); given == fields.end() || given->is_null()) {
    fields["arguments"] = Json::object();
  } else if (!given->is_object()) {
    return fail(id, wrong("Arguments must be an object: nothing was sent. Give them by name."));
  }
  with_server(id, [this, id](Operation& operation) { call_known(operation, id); });
}

void UpstreamGateway::call_known(Operation& operation, std::uint64_t id) {
  const SharedTools tools = store_.find(operation.server->name);
  const std::string name = text_of(operation.order.fields, "tool");
  const ToolDescription* tool = tools ? tools->find(name) : nullptr;
  if (tool == nullptr) {
    const std::string why =
        tools ? no_such_tool(*tools, name)
              : fmt::format("Tool '{}' not found for server {}: it lists no tools. Call another.",
                            name, operation.server->name);
    return fail(id, CallError{"unknown_tool", why});
  }
  const Json& arguments = operation.order.fields["arguments"];
  if (const auto mistake = argument_mistake(*tools, *tool, arguments))
    return fail(id, wrong(*mistake));
  begin_record(operation, "tools/call", tool->name, arguments);
  CallGuard::Call asked;
  asked.subject = UpstreamSubject::Tool;
  asked.name = tool->name;
  asked.annotations = &tool->annotations;
  asked.arguments = &arguments;
  check_call(id, asked, [this, id, tool_name = tool->name](Operation& allowed) {
    ask(allowed, id, "tools/call",
        {{"name", tool_name}, {"arguments", std::move(allowed.order.fields["arguments"])}});
  });
}

// What the client of a run can be asked, servers that are started for it can ask.
void UpstreamGateway::note_client(const RunPermit& permit) {
  const auto client = permit.client.lock();
  if (questions_ == nullptr || !client || client->client() == told_client_) return;
  told_client_ = client->client();
  upstreams_.declare(capabilities_for(told_client_));
}

// Counts it for the run and asks whoever has a say in it.
void UpstreamGateway::check_call(std::uint64_t id, CallGuard::Call call,
                                 std::function<void(Operation&)> then) {
  Operation& operation = *find(id);
  RunPermit& permit = *operation.permit;
  if (permit.calls_made >= policy_.calls_per_run()) {
    return fail(
        id,
        CallError{"limit", fmt::format("The call was not made: this run has made {} calls of MCP "
                                       "servers, and its policy allows no more. Go on in another "
                                       "run_python, or have max_calls_per_run raised.",
                                       permit.calls_made)});
  }
  ++permit.calls_made;
  if (!permit.consent) permit.consent = consent_of(permit);
  call.server = operation.server->name;
  call.alias = operation.server->alias;
  const std::uint64_t checked =
      guard_.check(permit.consent, call, [this, id, then = std::move(then)](Result<void> allowed) {
        Operation* found = find(id);
        if (found == nullptr) return;
        found->checked = 0;
        if (!allowed) return fail(id, CallError{"denied", allowed.error().message});
        then(*found);
      });
  if (Operation* waiting = find(id); waiting != nullptr && checked != 0) waiting->checked = checked;
}

void UpstreamGateway::answered(std::uint64_t id, UpstreamAnswer answer) {
  Operation* operation = find(id);
  if (operation == nullptr) return;
  operation->asked = 0;
  if (!answer.ok()) return fail(id, *answer.failure);
  if (says_error(answer.result)) {
    const std::string tool = operation->record ? operation->record->name : std::string();
    return fail(id, error_of_tool(*operation->server, tool, std::move(answer.result)));
  }
  finish(id, std::move(answer.result));
}

// --- resources and prompts -----------------------------------------------------------------------

void UpstreamGateway::list(std::uint64_t id, std::string_view method, const char* member) {
  Operation& operation = *find(id);
  operation.asked = upstreams_.list(operation.server->name, method, operation.timeout,
                                    [this, id, member](const UpstreamAnswer& answer) {
                                      if (Operation* found = find(id)) {
                                        found->asked = 0;
                                        if (!answer.ok()) return fail(id, *answer.failure);
                                        finish(id, answer.result.value(member, Json::array()));
                                      }
                                    });
}

void UpstreamGateway::ask(Operation& operation, std::uint64_t id, std::string_view method,
                          Json params) {
  if (operation.permit->trace) params["_meta"] = mcp::trace_meta(*operation.permit->trace);
  UpstreamRequest request{operation.server->name, std::string(method), std::move(params),
                          operation.timeout, std::move(operation.order.progress)};
  if (questions_ != nullptr) {
    request.questions = questions_for(*questions_, operation.permit, operation.server->name);
  }
  operation.asked = upstreams_.request(
      std::move(request), [this, id](UpstreamAnswer answer) { answered(id, std::move(answer)); });
}

void UpstreamGateway::read_resource(std::uint64_t id) {
  Operation& operation = *find(id);
  const std::string uri = text_of(operation.order.fields, "uri");
  if (uri.empty()) {
    return fail(id,
                wrong("Nothing was sent: the resource's address is missing. Give it as 'uri'."));
  }
  begin_record(operation, "resources/read", uri, Json::object());
  CallGuard::Call asked;
  asked.subject = UpstreamSubject::Resource;
  asked.name = uri;
  check_call(id, asked, [this, id, uri](Operation& allowed) {
    ask(allowed, id, "resources/read", {{"uri", uri}});
  });
}

void UpstreamGateway::get_prompt(std::uint64_t id) {
  Operation& operation = *find(id);
  const std::string name = text_of(operation.order.fields, "name");
  if (name.empty()) {
    return fail(id, wrong("Nothing was sent: the prompt's name is missing. Give it as 'name'."));
  }
  const auto given = operation.order.fields.find("arguments");
  Json arguments = given != operation.order.fields.end() && given->is_object() ? std::move(*given)
                                                                               : Json::object();
  begin_record(operation, "prompts/get", name, arguments);
  CallGuard::Call asked;
  asked.subject = UpstreamSubject::Prompt;
  asked.name = name;
  asked.arguments = &arguments;
  check_call(id, asked, [this, id, name, arguments](Operation& allowed) {
    ask(allowed, id, "prompts/get", {{"name", name}, {"arguments", arguments}});
  });
}

void UpstreamGateway::accept_tools(std::uint64_t id) {
  Operation& operation = *find(id);
  if (!operation.permit->consent) operation.permit->consent = consent_of(*operation.permit);
  const std::uint64_t checked = guard_.accept_tools(
      operation.permit->consent, operation.server->name, text_of(operation.order.fields, "change"),
      [this, id](Result<void> accepted) {
        if (find(id) == nullptr) return;
        find(id)->checked = 0;
        if (!accepted) return fail(id, CallError{"denied", accepted.error().message});
        finish(id, {{"message", "The server's tools are accepted as they are now."}});
      });
  if (Operation* waiting = find(id); waiting != nullptr && checked != 0) waiting->checked = checked;
}

// --- the audit log -------------------------------------------------------------------------------

void UpstreamGateway::begin_record(Operation& operation, std::string_view method, std::string name,
                                   const Json& arguments) const {
  AuditRecord record;
  record.when = std::chrono::system_clock::now();
  record.principal = operation.permit->principal;
  record.session = operation.permit->session;
  record.cell = operation.permit->cell;
  if (const auto& trace = operation.permit->trace) record.trace_id = mcp::trace_id(*trace);
  record.server = operation.server->name;
  record.operation = method;
  record.name = std::move(name);
  record.arguments_sha256 = arguments_digest(arguments);
  operation.record = std::move(record);
}

void UpstreamGateway::end_record(Operation& operation, std::string_view outcome,
                                 std::size_t bytes) {
  if (!operation.record) return;
  const auto took = std::chrono::steady_clock::now() - operation.began;
  if (metrics_ != nullptr) metrics_->upstream_call_ended(operation.server->name, outcome, took);
  operation.record->took = std::chrono::duration_cast<std::chrono::milliseconds>(took);
  operation.record->bytes = bytes;
  operation.record->outcome = outcome;
  audit_.add(*operation.record);
}

}  // namespace pyember::host
