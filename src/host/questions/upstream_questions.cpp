#include "host/questions/upstream_questions.h"

#include <fmt/format.h>

#include <utility>

#include "base/limits.h"
#include "base/utf8.h"
#include "host/questions/input_requests.h"
#include "host/upstream/run_permit.h"
#include "mcp/client_capabilities.h"
#include "mcp/json_members.h"

namespace pyember::host {

using mcp::InputRequest;
using mcp::Json;

namespace {

constexpr std::size_t kShownNameCharacters = 120;

// What a client knows of a sampling request; the rest (tools, context) is not passed on.
Json known_of_sampling(const Json& params) {
  Json known = Json::object();
  for (const char* name : {"messages", "maxTokens", "systemPrompt", "temperature", "stopSequences",
                           "modelPreferences"}) {
    if (const auto found = params.find(name); found != params.end()) known[name] = *found;
  }
  return known;
}

Result<InputRequest> request_of(const RunPermit& permit, const std::string& server,
                                const std::string& method, const Json& params) {
  if (method == "roots/list") return InputRequest::roots();
  if (method == "sampling/createMessage") return model_asked(known_of_sampling(params));
  if (method != "elicitation/create") {
    return Error{ErrorCode::InvalidArgument, "this client knows no such question"};
  }
  std::string message = fmt::format(
      "The MCP server '{}', called by Python code in session '{}', asks: {}",
      utf8::head(server, kShownNameCharacters), permit.session, mcp::text_in(params, "message"));
  Json fields = Json::object();
  if (mcp::text_in(params, "mode") == "url") {
    fields["url"] = mcp::text_in(params, "url");
  } else if (const auto schema = params.find("requestedSchema"); schema != params.end()) {
    fields["schema"] = *schema;
  }
  return person_asked(std::move(message), fields);
}

}  // namespace

UpstreamQuestions questions_for(QuestionService& service, std::shared_ptr<RunPermit> permit,
                                std::string server) {
  return [&service, permit = std::move(permit), server = std::move(server)](
             const std::string& method, const Json& params,
             UpstreamAnswered answered) -> std::function<void()> {
    Result<InputRequest> request = request_of(*permit, server, method, params);
    if (!request) {
      answered(Error{ErrorCode::InvalidArgument,
                     fmt::format("Nobody was asked, because {}. Go on without the answer.",
                                 request.error().message)});
      return {};
    }
    const InputRequest::Kind kind = request.value().kind;
    const std::uint64_t id = service.ask(
        permit, request.take(), limits::kQuestionDeadline,
        [answered = std::move(answered), kind](Result<mcp::Answer> answer, QuestionService::End) {
          answered(answer ? Result<Json>(as_result(answer.take(), kind)) : answer.error());
        });
    if (id == 0) return {};
    return [&service, id] { service.cancel(id); };
  };
}

Json capabilities_for(const mcp::ClientCapabilities& client) {
  Json capabilities = Json::object();
  if (client.forms) capabilities["elicitation"]["form"] = Json::object();
  if (client.urls) capabilities["elicitation"]["url"] = Json::object();
  if (client.sampling) capabilities["sampling"] = Json::object();
  if (client.roots) capabilities["roots"] = Json::object();
  return capabilities;
}

}  // namespace pyember::host
