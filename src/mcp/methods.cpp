#include "base/limits.h"
#include "mcp/cursor.h"
#include "mcp/method_parts.h"
#include "mcp/pending_call.h"
#include "mcp/presentation.h"
#include "mcp/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <type_traits>
#include <utility>

// The methods of the protocol. By the time one is called its era, version and _meta are settled.
namespace pyember::mcp {
namespace {

constexpr std::size_t kUsualResultBytes = 512;  // of a call that prints little

std::string joined(const std::vector<std::string_view>& names) {
  std::string text;
  for (const std::string_view name : names) {
    if (!text.empty()) text += ", ";
    text += name;
  }
  return text;
}

// What, why, and what to do next, for the model that wrote the arguments (PROTOCOL: TOOL-7).
ToolResult arguments_refused(const ToolCatalog::Entry& entry,
                             const std::vector<std::string>& problems) {
  std::string text = entry.tool.name + " was not run, because its arguments don't fit:";
  for (const std::string& problem : problems) text += ' ' + problem;
  const auto names = entry.schema->property_names();
  text += names.empty()
              ? " It takes no arguments: call it again with {}."
              : " Its arguments are: " + joined(names) + ". Correct them and call it again.";
  return tool_error(std::move(text));
}

Json without_nulls(Json&& arguments) {
  Json::object_t kept;
  for (auto& [name, value] : arguments.get_ref<Json::object_t&>()) {
    if (!value.is_null()) kept.emplace_back(name, std::move(value));
  }
  return kept;
}

}  // namespace

// --- the beginning ---------------------------------------------------------------------------

void Connection::Impl::discover(Request&& request) {
  std::string members =
      fmt::format(R"("supportedVersions":["{}"],"capabilities":)", to_string(kModernVersion));
  Json extensions = server_.info.extensions;
  if (server_.tasks) extensions[std::string(extension::kTasks)] = Json::object();
  append_capabilities(members, extensions, server_.prompts != nullptr);
  if (!server_.info.instructions.empty()) {
    members += R"(,"instructions":)";
    append_json_string(members, server_.info.instructions);
  }
  responder_.result(request.from, members, kStatic);
}

void Connection::Impl::initialize(Request&& request) {
  const std::string* requested = string_member(request.params, "protocolVersion");
  if (request.from.batch || requested == nullptr) {
    responder_.error(
        request.from,
        request.from.batch
            ? invalid_request(
                  "Invalid request: initialize must not be part of a batch. Send it alone.")
            : invalid_params("Invalid params: protocolVersion is missing or not a string. Send the "
                             "newest protocol version that you support."));
    return;
  }
  const std::optional<Version> known = parse_version(*requested);
  const Version version = known && !is_modern(*known) ? *known : kNewestHandshakeVersion;
  for (const std::string& uri : handshake_.subscribed_uris) server_.remove_subscriber(uri);
  handshake_.open(version);
  const auto capabilities = request.params.find("capabilities");
  if (capabilities != request.params.end()) {
    handshake_.client = read_client_capabilities(*capabilities, version);
  }
  protocol_changed();
  std::string members =
      fmt::format(R"("protocolVersion":"{}","capabilities":)", to_string(version));
  append_capabilities(members, server_.info.extensions, server_.prompts != nullptr);
  members += R"(,"serverInfo":)";
  append_server_info(members, server_.info, version);
  if (!server_.info.instructions.empty()) {
    members += R"(,"instructions":)";
    append_json_string(members, server_.info.instructions);
  }
  responder_.result(request.from, members);
}

void Connection::Impl::ping(Request&& request) { responder_.result(request.from, {}); }

void Connection::Impl::set_log_level(Request&& request) {
  const std::string* name = string_member(request.params, "level");
  const std::optional<LogLevel> level = name != nullptr ? parse_log_level(*name) : std::nullopt;
  if (!level) {
    responder_.error(request.from, invalid_params("Invalid params: level is not one of debug, "
                                                  "info, notice, warning, error, critical, alert, "
                                                  "emergency. Send one of them."));
    return;
  }
  handshake_.log_level = level;
  protocol_changed();
  responder_.result(request.from, {});
}

// --- tools -----------------------------------------------------------------------------------

// The cursor's last entry; empty without a cursor. Answers the error itself.
std::optional<std::string> Connection::Impl::read_cursor_of(const Request& request,
                                                            std::string_view list) {
  const auto cursor = request.params.find("cursor");
  if (cursor == request.params.end()) return "";
  if (cursor->is_string()) {
    auto last = read_cursor(list, cursor->get_ref<const std::string&>());
    if (last) return last;
  }
  responder_.error(request.from, invalid_cursor());
  return std::nullopt;
}

void Connection::Impl::list_tools(Request&& request) {
  const auto last = read_cursor_of(request, "tools");
  if (!last) return;
  const ToolCatalog::Entry* after = nullptr;
  if (!last->empty()) {
    after = server_.tools.find(*last);
    if (after == nullptr) return responder_.error(request.from, invalid_cursor());
  }
  std::vector<const Tool*> tools;
  for (const ToolCatalog::Entry& entry : server_.tools.entries()) {
    if ((after == nullptr || &entry > after) && may_call(entry.tool)) tools.push_back(&entry.tool);
  }
  const Version version = request.from.context.version;
  const auto append = [version](std::string& out, const Tool* tool) {
    append_tool(out, *tool, version);
  };
  const auto key = [](const Tool* tool) { return tool->name; };
  // What not everybody may see is not for others' caches (PROTOCOL: CACHE-2).
  const CachePolicy cache = {kStatic.ttl_ms, !options_.may_call};
  responder_.result(request.from,
                    page_text("tools", tools, 0, server_.bounds.page_size, append, key), cache);
}

void Connection::Impl::call_tool(Request&& request) {
  const std::string* name = string_member(request.params, "name");
  if (name == nullptr) {
    return responder_.error(
        request.from,
        invalid_params("Invalid params: name is missing or not a string. Name the tool to call."));
  }
  const ToolCatalog::Entry* entry = server_.tools.find(*name);
  CallMeter* const meter = entry != nullptr ? entry->tool.meter : server_.tools.unknown_meter();
  const auto refuse = [&](const auto& with) {
    if (meter != nullptr) meter->refused();
    if constexpr (std::is_same_v<std::decay_t<decltype(with)>, RpcError>) {
      responder_.error(request.from, with);
    } else {
      result_at_once(request.from, with);
    }
  };
  if (entry != nullptr && !may_call(entry->tool)) return refuse(forbidden_tool(*name));
  if (entry == nullptr && server_.tools.unknown()) return refuse(server_.tools.unknown()(*name));
  if (entry == nullptr) return refuse(unknown_tool(*name));
  Json arguments = Json::object();
  const auto given = request.params.find("arguments");
  if (given != request.params.end() && !given->is_null()) arguments = std::move(*given);
  if (!arguments.is_object()) {
    return refuse(invalid_params(
        "Invalid params: arguments is not an object. Send the tool's arguments as {…}."));
  }
  if (request.headers != nullptr) {
    const auto error = check_parameters(*request.headers, entry->parameter_headers, arguments);
    if (error) return refuse(*error);
  }
  if (entry->tool.null_is_absent) arguments = without_nulls(std::move(arguments));
  if (!entry->tool.checks_arguments) {
    const std::vector<std::string> problems = entry->schema->check(arguments);
    if (!problems.empty()) return refuse(arguments_refused(*entry, problems));
  }
  call_or_go_on(std::move(request), entry->tool, std::move(arguments));
}

// A modern request that carries a state goes on with the call that waits under it.
void Connection::Impl::call_or_go_on(Request&& request, const Tool& tool, Json&& arguments) {
  if (is_modern(request.from.context.version)) {
    const auto state = request.params.find("requestState");
    if (state != request.params.end()) {
      const Json given_state = std::move(*state);
      return call_again(std::move(request), tool, arguments, given_state);
    }
  }
  const std::optional<RpcError> error = check_tasking(request, tool);
  if (error) responder_.error(request.from, *error);
  if (error || !admit(request.from)) {
    if (tool.meter != nullptr) tool.meter->refused();
    return;
  }
  Json answers;
  const auto early = request.params.find("inputResponses");
  if (early != request.params.end()) answers = std::move(*early);
  start_call(std::move(request.from), tool, std::move(arguments), answers);
}

void Connection::Impl::result_at_once(const Recipient& from, const ToolResult& result) {
  std::string members;
  append_tool_result(members, result, from.context.version);
  responder_.result(from, members, std::nullopt, result.meta);
}

ToolCall::Options Connection::Impl::options_for(const Recipient& from) {
  ToolCall::Options options = {!from.context.progress_token.empty(), from.context.log_level};
  options.client = from.context.client;
  if (from.batch) options.client.forget_questions();
  options.trace = from.context.trace;
  if (from.ticket != kNoTicket) options.begun = responder_.output().begun_mark(from.ticket);
  return options;
}

void Connection::Impl::start_call(Recipient&& from, const Tool& tool, Json&& arguments,
                                  const Json& answers) {
  const ToolCall::Options options = options_for(from);
  const bool found_again = options.client.can_be_asked() && is_modern(from.context.version);
  const std::size_t hash = found_again ? structural_hash(arguments) : 0;
  const auto pending = std::make_shared<PendingCall>(*this, std::move(from), tool, hash);
  const auto call = std::make_shared<ToolCall>(std::move(arguments), options, *pending, tool.meter);
  pending->attach(*call);
  in_flight_.add(pending);
  if (tool.begins == Tool::Begins::WhenCalled) call->begin();
  pending->takes_answers = true;  // what the handler asks at once is asked together
  try {
    tool.handler(call);
  } catch (const std::exception& error) {
    call->fail({RpcCode::InternalError,
                fmt::format("Internal error: {} failed ({}). This is a fault of the server; the "
                            "call may have had effects.",
                            tool.name, error.what()),
                {}});
  }
  pending->takes_answers = false;
  if (!pending->over() && found_again) take_early_answers(*pending, answers);
  if (!pending->over() && call->has_questions()) return ask(*pending);
  if (!pending->over()) watch_for_slowness(pending);
}

// Whether one more request may be in flight. Answers the error itself.
bool Connection::Impl::admit(const Recipient& from) {
  const InFlightTotals& now = server_.in_flight;
  const bool fits = now.requests < server_.bounds.requests_in_flight &&
                    now.bytes + from.bytes <= server_.bounds.bytes_in_flight;
  if (fits) return true;
  responder_.error(from, {RpcCode::InternalError,
                          fmt::format("Too many requests: {} of {} bytes are in flight, and this "
                                      "server takes at most {} of {} bytes. Wait for answers, then "
                                      "send this one again.",
                                      now.requests, now.bytes, server_.bounds.requests_in_flight,
                                      server_.bounds.bytes_in_flight),
                          {}});
  return false;
}

// --- resources -------------------------------------------------------------------------------

void Connection::Impl::list_resources(Request&& request) {
  const auto last = read_cursor_of(request, "resources");
  if (!last) return;
  // One more than a page shows tells whether another page follows.
  const std::vector<Resource> entries = server_.resources.list(*last, server_.bounds.page_size + 1);
  const Version version = request.from.context.version;
  const auto append = [version](std::string& out, const Resource& resource) {
    append_resource(out, resource, version);
  };
  const auto key = [](const Resource& resource) { return resource.uri; };
  responder_.result(request.from,
                    page_text("resources", entries, 0, server_.bounds.page_size, append, key),
                    kChanging);
}

void Connection::Impl::list_templates(Request&& request) {
  constexpr std::string_view kList = "resourceTemplates";
  const auto last = read_cursor_of(request, kList);
  if (!last) return;
  const std::vector<ResourceTemplate> entries = server_.resources.templates();
  const auto key = [](const ResourceTemplate& each) { return each.uri_template; };
  std::size_t begin = 0;
  if (!last->empty()) {
    while (begin < entries.size() && entries[begin].uri_template != *last) ++begin;
    if (begin++ == entries.size()) return responder_.error(request.from, invalid_cursor());
  }
  const Version version = request.from.context.version;
  const auto append = [version](std::string& out, const ResourceTemplate& each) {
    append_template(out, each, version);
  };
  responder_.result(request.from,
                    page_text(kList, entries, begin, server_.bounds.page_size, append, key),
                    kStatic);
}

// Answers the error itself.
std::optional<std::string> Connection::Impl::read_uri(const Request& request) {
  const std::string* uri = string_member(request.params, "uri");
  if (uri != nullptr && !uri->empty() && uri->size() <= limits::kMaximumUriBytes) return *uri;
  responder_.error(request.from, invalid_params(fmt::format(
                                     "Invalid params: uri is missing, not a string, or longer than "
                                     "{} bytes. Send the URI of a resource of this server.",
                                     limits::kMaximumUriBytes)));
  return std::nullopt;
}

void Connection::Impl::read_resource(Request&& request) {
  std::optional<std::string> uri = read_uri(request);
  if (!uri || !admit(request.from)) return;
  const auto pending = std::make_shared<PendingRequest>(std::move(request.from));
  in_flight_.add(pending);
  // Held weakly: a read that was cancelled, answered, or has outlived the server, is not found.
  std::weak_ptr<PendingRequest> weak = pending;
  server_.resources.read(*uri,
                         [this, weak, uri = *uri](Result<std::vector<ResourceContent>> contents) {
                           const auto alive = weak.lock();
                           if (!alive || !in_flight_.contains(alive->from.id)) return;
                           const auto kept = shared_from_this();
                           finish_read(*alive, uri, contents);
                         });
}

void Connection::Impl::subscribe(Request&& request) {
  const std::optional<std::string> uri = read_uri(request);
  if (!uri) return;
  if (!server_.resources.subscribable(*uri)) {
    return responder_.error(request.from, resource_not_found(*uri, request.from.context.version));
  }
  const bool is_new = !handshake_.subscribed_uris.contains(*uri);
  if (is_new && handshake_.subscribed_uris.size() >= server_.bounds.uris_per_subscription) {
    return responder_.error(
        request.from, {RpcCode::InternalError,
                       fmt::format("Too many subscriptions: {} resources are subscribed to, which "
                                   "is the most this server takes. Unsubscribe from one first.",
                                   server_.bounds.uris_per_subscription),
                       {}});
  }
  if (is_new) server_.add_subscriber(*uri);
  handshake_.subscribed_uris.insert(*uri);
  protocol_changed();
  responder_.result(request.from, {});
}

void Connection::Impl::unsubscribe(Request&& request) {
  const std::optional<std::string> uri = read_uri(request);
  if (!uri) return;
  if (handshake_.subscribed_uris.erase(*uri) > 0) server_.remove_subscriber(*uri);
  protocol_changed();
  responder_.result(request.from, {});
}

// --- subscriptions ---------------------------------------------------------------------------

void Connection::Impl::listen(Request&& request) {
  FilterOrError filter =
      read_filter(request.params, server_.bounds.uris_per_subscription,
                  [this](std::string_view uri) { return server_.resources.subscribable(uri); });
  if (const auto* error = std::get_if<RpcError>(&filter)) {
    return responder_.error(request.from, *error);
  }
  if (subscriptions_.size() >= server_.bounds.subscriptions) {
    return responder_.error(
        request.from,
        {RpcCode::InternalError,
         fmt::format(
             "Too many subscriptions: {} are open, which is the most this server takes. Cancel one "
             "first.",
             server_.bounds.subscriptions),
         {}});
  }
  auto& wanted = std::get<SubscriptionFilter>(filter);
  if (const auto error = read_task_ids(request, wanted)) {
    return responder_.error(request.from, *error);
  }
  if (!admit(request.from)) return;
  wanted.prompts_list_changed = wanted.prompts_list_changed && server_.prompts != nullptr;
  const Subscription& added =
      subscriptions_.emplace_back(Subscription{request.from.id, std::move(wanted)});
  for (const std::string& uri : added.filter.uris) server_.add_subscriber(uri);
  in_flight_.add(std::make_shared<PendingRequest>(std::move(request.from)));
  if (resuming_) return;  // the client has been told
  responder_.notification(
      &added.id, "notifications/subscriptions/acknowledged",
      subscription_params(added, R"("notifications":)" + to_json_text(added.filter.to_json())));
}

// --- answers ---------------------------------------------------------------------------------

// `request` is in the table and leaves it here: `taken` keeps it alive to the end.
void Connection::Impl::finish(const PendingRequest& request, const ToolResult& result) {
  const auto kept = shared_from_this();
  const auto taken = in_flight_.take(request.from.id);
  std::string members;
  members.reserve(kUsualResultBytes);
  append_tool_result(members, result, request.from.context.version);
  responder_.result(request.from, members, std::nullopt, result.meta);
  end_subscriptions_if_over();
}

void Connection::Impl::finish(const PendingRequest& request, const RpcError& error) {
  const auto kept = shared_from_this();
  const auto taken = in_flight_.take(request.from.id);
  responder_.error(request.from, error);
  end_subscriptions_if_over();
}

void Connection::Impl::finish_read(const PendingRequest& request, const std::string& uri,
                                   const Result<std::vector<ResourceContent>>& contents) {
  const Version version = request.from.context.version;
  if (!contents.ok()) {
    const Error& error = contents.error();
    if (error.code != ErrorCode::NotFound) return finish(request, to_rpc_error(error));
    RpcError missing = resource_not_found(uri, version);
    if (!error.message.empty()) missing.message = error.message;  // the catalog knows the reason
    return finish(request, missing);
  }
  const auto taken = in_flight_.take(request.from.id);
  std::string members;
  append_contents(members, contents.value(), version);
  responder_.result(request.from, members, kChanging);
  end_subscriptions_if_over();
}

}  // namespace pyember::mcp
