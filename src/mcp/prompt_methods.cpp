#include "base/limits.h"
#include "mcp/connection_impl.h"
#include "mcp/method_parts.h"
#include "mcp/presentation.h"
#include "mcp/prompts.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

// prompts/* and completion/complete. A server without prompts doesn't have these methods.
//
// A prompt is gotten as a call of a tool that is not listed (Server::Impl::prompt_tool): so it is
// in flight, is cancelled, asks the person behind the client and goes on afterwards as calls do.
namespace pyember::mcp {
namespace {

using ArgumentsOrError = std::variant<PromptArguments, RpcError>;

RpcError bad_prompt(std::string_view problem, std::string_view advice) {
  return invalid_params(fmt::format("Invalid params: {}. {}", problem, advice));
}

// An object of strings; left out is empty.
ArgumentsOrError read_arguments(const Json& object, std::string_view name) {
  const auto given = object.find(name);
  PromptArguments arguments;
  if (given == object.end() || given->is_null()) return arguments;
  if (!given->is_object()) {
    return bad_prompt(fmt::format("{} is not an object", name), "Send {\"name\": \"value\"}.");
  }
  for (const auto& [key, value] : given->items()) {
    if (!value.is_string()) {
      return bad_prompt(fmt::format("the argument {} is not a string", in_quotes(key)),
                        "Arguments of prompts are texts: send every value as one.");
    }
    arguments.emplace(key, value.get<std::string>());
  }
  return arguments;
}

RpcError unknown_prompt(std::string_view name) {
  return bad_prompt(fmt::format("there is no prompt {}", in_quotes(name)),
                    "prompts/list shows those there are.");
}

std::optional<RpcError> missing_argument(const Prompt& prompt, const PromptArguments& arguments) {
  for (const PromptArgument& each : prompt.arguments) {
    if (!each.required || arguments.contains(each.name)) continue;
    return bad_prompt(fmt::format("the prompt {} needs its argument {}", in_quotes(prompt.name),
                                  in_quotes(each.name)),
                      "Ask the person for it and send it again.");
  }
  return std::nullopt;
}

// What a request asks to be completed, or what is wrong with it.
std::variant<CompletionRequest, RpcError> read_completion(const Json& params) {
  static const Json kNone = Json::object();
  const auto member = [&params](std::string_view name) -> const Json& {
    const auto found = params.find(name);
    return found != params.end() && found->is_object() ? *found : kNone;
  };
  const Json& reference = member("ref");
  const std::string* type = string_member(reference, "type");
  const bool is_prompt = type != nullptr && *type == "ref/prompt";
  const bool is_resource = type != nullptr && *type == "ref/resource";
  const std::string* of = string_member(reference, is_prompt ? "name" : "uri");
  if ((!is_prompt && !is_resource) || of == nullptr || of->size() > limits::kMaximumUriBytes) {
    return bad_prompt("ref names neither a prompt nor a resource",
                      "Send {\"type\":\"ref/prompt\",\"name\":…} or "
                      "{\"type\":\"ref/resource\",\"uri\":…}.");
  }
  const Json& argument = member("argument");
  const std::string* name = string_member(argument, "name");
  const std::string* value = string_member(argument, "value");
  if (name == nullptr || value == nullptr || value->size() > limits::kMaximumCompletionBytes) {
    return bad_prompt(
        fmt::format("argument has no name and value, or a value of more than {} bytes",
                    limits::kMaximumCompletionBytes),
        "Send the argument's name, and as value what was typed so far.");
  }
  ArgumentsOrError others = read_arguments(member("context"), "arguments");
  if (auto* error = std::get_if<RpcError>(&others)) return std::move(*error);
  return CompletionRequest{
      is_prompt ? CompletionRequest::About::Prompt : CompletionRequest::About::Resource, *of, *name,
      *value, std::move(std::get<PromptArguments>(others))};
}

std::string completion_members(const Completion& completion) {
  const std::size_t shown = std::min(completion.values.size(), limits::kCompletionValues);
  std::string members = R"("completion":{"values":[)";
  for (std::size_t index = 0; index < shown; ++index) {
    if (index > 0) members += ',';
    append_json_string(members, completion.values[index]);
  }
  members += ']';
  const std::size_t total = completion.total.value_or(completion.values.size());
  if (completion.total) members += fmt::format(R"(,"total":{})", total);
  members += total > shown ? R"(,"hasMore":true})" : R"(,"hasMore":false})";
  return members;
}

}  // namespace

void Connection::Impl::list_prompts(Request&& request) {
  if (server_.prompts == nullptr) {
    return responder_.error(request.from, unknown_method(request.method));
  }
  const auto last = read_cursor_of(request, "prompts");
  if (!last) return;
  const std::size_t page_size = server_.bounds.page_size;
  const std::vector<Prompt> entries = server_.prompts->list(*last, page_size + 1);
  const Version version = request.from.context.version;
  const auto append = [version](std::string& out, const Prompt& prompt) {
    append_prompt(out, prompt, version);
  };
  const auto key = [](const Prompt& prompt) { return prompt.name; };
  responder_.result(request.from, page_text("prompts", entries, 0, page_size, append, key),
                    kStatic);
}

void Connection::Impl::get_prompt(Request&& request) {
  if (server_.prompts == nullptr) {
    return responder_.error(request.from, unknown_method(request.method));
  }
  const std::string* name = string_member(request.params, "name");
  const std::optional<Prompt> prompt =
      name != nullptr ? server_.prompts->find(*name) : std::nullopt;
  if (!prompt) {
    return responder_.error(request.from, unknown_prompt(name != nullptr ? *name : ""));
  }
  ArgumentsOrError arguments = read_arguments(request.params, "arguments");
  if (const auto* error = std::get_if<RpcError>(&arguments)) {
    return responder_.error(request.from, *error);
  }
  const auto& given = std::get<PromptArguments>(arguments);
  if (const auto missing = missing_argument(*prompt, given)) {
    return responder_.error(request.from, *missing);
  }
  Json call = Json::object();
  call["name"] = prompt->name;
  call["arguments"] = given;
  call_or_go_on(std::move(request), server_.prompt_tool, std::move(call));
}

void Connection::Impl::complete_argument(Request&& request) {
  if (server_.prompts == nullptr) {
    return responder_.error(request.from, unknown_method(request.method));
  }
  auto wanted = read_completion(request.params);
  if (const auto* error = std::get_if<RpcError>(&wanted)) {
    return responder_.error(request.from, *error);
  }
  if (!admit(request.from)) return;
  const auto pending = std::make_shared<PendingRequest>(std::move(request.from));
  in_flight_.add(pending);
  // Held weakly: one that was cancelled, or has outlived its connection, is not found.
  std::weak_ptr<PendingRequest> weak = pending;
  server_.prompts->complete(std::get<CompletionRequest>(wanted),
                            [this, weak](Result<Completion> found) {
                              const auto alive = weak.lock();
                              if (!alive || !in_flight_.contains(alive->from.id)) return;
                              finish_completion(*alive, found);
                            });
}

void Connection::Impl::finish_completion(const PendingRequest& request,
                                         const Result<Completion>& found) {
  if (!found.ok()) {
    const Error& error = found.error();
    if (error.code != ErrorCode::InvalidArgument) return finish(request, to_rpc_error(error));
    return finish(request, bad_prompt(error.message,
                                      "prompts/list and resources/templates/list "
                                      "show what can be completed."));
  }
  const auto kept = shared_from_this();
  const auto taken = in_flight_.take(request.from.id);
  responder_.result(request.from, completion_members(found.value()));
  end_subscriptions_if_over();
}

// --- the tool that stands for prompts ----------------------------------------------------------

void Server::Impl::offer_prompts(PromptCatalog& catalog) {
  prompts = &catalog;
  prompt_tool.name = "prompts/get";
  prompt_tool.begins = Tool::Begins::Never;
  prompt_tool.handler = [&catalog](const std::shared_ptr<ToolCall>& call) {
    const Json& told = call->arguments();
    PromptArguments arguments;
    for (const auto& [key, value] : told["arguments"].items()) {
      arguments.emplace(key, value.get<std::string>());
    }
    auto name = told["name"].get<std::string>();
    catalog.get(std::make_shared<PromptCall>(call, std::move(name), std::move(arguments)));
  };
}

}  // namespace pyember::mcp
