#include "host/upstream/gateway.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <unordered_map>
#include <utility>

#include "base/limits.h"
#include "host/loop/pool_work.h"
#include "host/upstream/tools/argument_check.h"
#include "host/upstream/tools/tool_docs.h"

// An operation lives in `operations_` from serve() until it is answered or cancelled. What it waits
// for (a list, a person, an upstream) calls back with its id, and finds it or, when it is gone,
// does nothing.

namespace pyember::host {

using mcp::Json;

namespace {

std::string folder_in(const std::string& state_folder, const char* name) {
  return state_folder.empty() ? std::string() : state_folder + "/" + name;
}

std::string text_of(const Json& fields, const char* member) {
  const auto found = fields.find(member);
  return found != fields.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool is_set(const Json& fields, const char* member) {
  const auto found = fields.find(member);
  return found != fields.end() && found->is_boolean() && found->get<bool>();
}

CallError wrong(std::string message) { return {"arguments", std::move(message)}; }

CallError missing(const char* member, const char* what) {
  return wrong(fmt::format("Nothing was sent: {} is missing, or is no text. Give it as '{}'.", what,
                           member));
}

Json names_of(const UpstreamDefinition& definition) {
  return {{"name", definition.name}, {"alias", definition.alias}};
}

// Does work in libuv's pool, one piece after the other.
ToolStore::Background in_order(EventLoop& loop) {
  struct Queue : std::enable_shared_from_this<Queue> {
    explicit Queue(EventLoop& its_loop) : loop(its_loop) {}
    void next() {
      if (busy || work.empty()) return;
      busy = true;
      auto first = std::move(work.front());
      work.pop_front();
      run_in_pool(loop, std::move(first), [self = shared_from_this()] {
        self->busy = false;
        self->next();
      });
    }
    EventLoop& loop;
    std::deque<std::function<void()>> work;
    bool busy = false;
  };
  return [queue = std::make_shared<Queue>(loop)](std::function<void()> work) {
    queue->work.push_back(std::move(work));
    queue->next();
  };
}

}  // namespace

UpstreamGateway::UpstreamGateway(EventLoop& loop, UpstreamConfiguration configuration,
                                 Policy policy, Settings settings)
    : loop_(loop),
      questions_(settings.questions),
      metrics_(settings.metrics),
      policy_(std::move(policy)),
      store_(folder_in(settings.state_folder, "upstream-tools"), configuration.upstreams,
             in_order(loop)),
      pins_(loop, folder_in(settings.state_folder, "upstream-pins")),
      guard_(loop, policy_, pins_),
      audit_(loop, folder_in(settings.state_folder, "audit.jsonl")),
      saved_tools_(std::move(settings.saved_tools_folder)),
      upstreams_(loop, std::move(configuration), std::move(settings.upstreams)) {
  upstreams_.on_tools(
      [this](const UpstreamDefinition& definition, const Json& tools, double start_seconds) {
        tools_listed(definition, tools, start_seconds);
      });
}

UpstreamGateway::~UpstreamGateway() = default;

void UpstreamGateway::tools_listed(const UpstreamDefinition& definition, const Json& tools,
                                   double start_seconds) {
  store_.put(definition, tools, start_seconds);
  listed_.insert(definition.name);
  not_searched_.erase(definition.name);
  pins_.seen(definition.name, definition.fingerprint, tools);
}

Result<std::shared_ptr<const std::vector<std::string>>> UpstreamGateway::allow(
    const std::vector<std::string>& servers) {
  auto allowed = std::make_shared<std::vector<std::string>>();
  for (const std::string& each : servers) {
    const UpstreamDefinition* definition = upstreams_.find(each);
    if (definition == nullptr) {
      return Error{ErrorCode::NotFound, no_such_server(upstreams_.configuration(), each)};
    }
    if (std::find(allowed->begin(), allowed->end(), definition->name) == allowed->end()) {
      allowed->push_back(definition->name);
    }
  }
  // What goes wrong is told to the code that uses the server.
  for (const std::string& each : *allowed) {
    if (!upstreams_.running(each)) upstreams_.start(each, [](const UpstreamAnswer&) {});
  }
  return std::shared_ptr<const std::vector<std::string>>(std::move(allowed));
}

void UpstreamGateway::end(std::chrono::milliseconds deadline, std::function<void()> done) {
  operations_.clear();
  audit_.flush();
  upstreams_.end(deadline, std::move(done));
}

// --- operations ----------------------------------------------------------------------------------

const UpstreamGateway::Verb* UpstreamGateway::verb_of(std::string_view op) {
  using G = UpstreamGateway;
  static const std::unordered_map<std::string_view, Verb> kVerbs{
      {"call", {&G::call, true}},
      {"discovered", {&G::discovered, false}},
      {"servers", {&G::servers, false}},
      {"loaded", {&G::loaded, false}},
      {"describe", {&G::describe, true}},
      {"tools", {&G::tools, true}},
      {"docs", {&G::docs, true}},
      {"search", {&G::search, false}},
      {"nearest", {&G::nearest, false}},
      {"resources", {&G::resources, true}},
      {"resource_templates", {&G::resource_templates, true}},
      {"read_resource", {&G::read_resource, true}},
      {"prompts", {&G::prompts, true}},
      {"get_prompt", {&G::get_prompt, true}},
      {"accept_tools", {&G::accept_tools, true}},
      {"saved_tools", {&G::list_saved_tools, false}},
      {"save_tool", {&G::save_tool, false}},
      {"delete_tool", {&G::delete_tool, false}}};
  const auto found = kVerbs.find(op);
  return found == kVerbs.end() ? nullptr : &found->second;
}

std::uint64_t UpstreamGateway::serve(const std::shared_ptr<RunPermit>& permit, CallOrder order,
                                     Done done) {
  note_client(*permit);
  const std::uint64_t id = ++last_;
  auto operation = std::make_unique<Operation>();
  operation->permit = permit;
  operation->order = std::move(order);
  operation->done = std::move(done);
  operation->began = std::chrono::steady_clock::now();
  Operation& begun = *operation;
  operations_.emplace(id, std::move(operation));
  const Verb* verb = verb_of(begun.order.op);
  if (verb == nullptr) {
    fail(id, wrong(fmt::format("Nothing was done: the server knows no operation '{}'. Use the mcp "
                               "package.",
                               begun.order.op.substr(0, 64))));
  } else if (auto error = take_timeout(begun)) {
    fail(id, std::move(*error));
  } else if (auto other = verb->wants_server ? take_server(begun) : std::nullopt) {
    fail(id, std::move(*other));
  } else {
    (this->*verb->step)(id);
  }
  return operations_.contains(id) ? id : 0;
}

void UpstreamGateway::cancel(std::uint64_t id) {
  const auto found = operations_.find(id);
  if (found == operations_.end()) return;
  const std::unique_ptr<Operation> operation = std::move(found->second);
  operations_.erase(found);
  end_record(*operation, "cancelled", 0);
  if (operation->checked != 0) guard_.cancel(operation->checked);
  if (operation->asked != 0) upstreams_.cancel(operation->asked);
}

UpstreamGateway::Operation* UpstreamGateway::find(std::uint64_t id) {
  const auto found = operations_.find(id);
  return found == operations_.end() ? nullptr : found->second.get();
}

void UpstreamGateway::finish(std::uint64_t id, Json value) {
  finish_text(id, mcp::to_json_text(value));
}

void UpstreamGateway::finish_text(std::uint64_t id, std::string value) {
  const auto found = operations_.find(id);
  const std::unique_ptr<Operation> operation = std::move(found->second);
  operations_.erase(found);
  end_record(*operation, "ok", value.size());
  operation->done({std::move(value), {}});
}

void UpstreamGateway::fail(std::uint64_t id, CallError error) {
  const auto found = operations_.find(id);
  const std::unique_ptr<Operation> operation = std::move(found->second);
  operations_.erase(found);
  end_record(*operation, error.kind, 0);
  operation->done({{}, std::move(error)});
}

void UpstreamGateway::fail(std::uint64_t id, const UpstreamFailure& failure) {
  fail(id, CallError{kind_word(failure.kind), failure.message});
}

std::optional<CallError> UpstreamGateway::take_server(Operation& operation) const {
  const std::string name = text_of(operation.order.fields, "server");
  if (name.empty()) return missing("server", "the server's name");
  operation.server = upstreams_.find(name);
  if (operation.server == nullptr) {
    return CallError{"unknown_server", no_such_server(upstreams_.configuration(), name)};
  }
  if (operation.permit->allows(operation.server->name)) return std::nullopt;
  return CallError{
      "not_available",
      fmt::format("Server '{}' is not available: this run was given {} alone. Name it in the "
                  "call's 'servers', or leave them out for all.",
                  operation.server->name, fmt::join(*operation.permit->servers, ", "))};
}

std::optional<CallError> UpstreamGateway::take_timeout(Operation& operation) const {
  const auto given = operation.order.fields.find("timeout");
  if (given == operation.order.fields.end() || given->is_null()) return std::nullopt;
  const double seconds = given->is_number() ? given->get<double>() : -1;
  const double most = std::chrono::duration<double>(limits::kLongestCallTimeout).count();
  if (!(seconds > 0) || seconds > most) {
    return wrong(
        fmt::format("Nothing was sent: the timeout must be a number of seconds, more than 0 "
                    "and at most {:g}. Give another, or leave it out.",
                    most));
  }
  operation.timeout =
      std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(seconds * 1000)));
  return std::nullopt;
}

void UpstreamGateway::with_server(std::uint64_t id, std::function<void(Operation&)> then) {
  Operation& operation = *find(id);
  const std::string& name = operation.server->name;
  if (upstreams_.running(name) && listed_.contains(name)) return then(operation);
  // Its tools are told to tools_listed() before this is answered.
  operation.asked =
      upstreams_.list(operation.server->name, "tools/list", operation.timeout,
                      [this, id, then = std::move(then)](const UpstreamAnswer& answer) {
                        Operation* found = find(id);
                        if (found == nullptr) return;
                        found->asked = 0;
                        if (!answer.ok()) return fail(id, *answer.failure);
                        then(*found);
                      });
}

void UpstreamGateway::with_tools(std::uint64_t id, Fresh fresh,
                                 std::function<void(Operation&, const SharedTools&)> then) {
  Operation& operation = *find(id);
  if (fresh == Fresh::No) {
    if (const SharedTools known = store_.find(operation.server->name))
      return then(operation, known);
  }
  operation.asked = upstreams_.list(
      operation.server->name, "tools/list", operation.timeout,
      [this, id, then = std::move(then)](const UpstreamAnswer& answer) {
        Operation* found = find(id);
        if (found == nullptr) return;
        found->asked = 0;
        if (!answer.ok()) return fail(id, *answer.failure);
        SharedTools tools = store_.find(found->server->name);
        if (!tools) tools = store_.put(*found->server, answer.result.value("tools", Json::array()));
        then(*found, tools);
      });
}

// --- what is there -------------------------------------------------------------------------------

void UpstreamGateway::discovered(std::uint64_t id) {
  Json all = Json::array();
  for (const UpstreamDefinition& each : upstreams_.definitions()) {
    Json entry = names_of(each);
    entry["description"] = each.description;
    all.push_back(std::move(entry));
  }
  finish(id, std::move(all));
}

void UpstreamGateway::servers(std::uint64_t id) {
  const Operation& operation = *find(id);
  std::map<std::string, const UpstreamDefinition*> sorted;
  for (const UpstreamDefinition& each : upstreams_.definitions()) {
    if (operation.permit->allows(each.name)) sorted.emplace(each.name, &each);
  }
  Json found = Json::array();
  for (const auto& [name, definition] : sorted) found.push_back(names_of(*definition));
  finish(id, std::move(found));
}

Json UpstreamGateway::described(const UpstreamDefinition& definition,
                                const ServerTools* tools) const {
  Json description = names_of(definition);
  Json aliases = Json::array();
  if (tools != nullptr) {
    for (const ToolDescription& each : tools->tools) aliases.push_back(each.alias);
  }
  description["tools"] = std::move(aliases);
  description["cwd"] =
      definition.working_directory.empty() ? Json(nullptr) : Json(definition.working_directory);
  description["description"] = definition.description;
  return description;
}

void UpstreamGateway::loaded(std::uint64_t id) {
  const Operation& operation = *find(id);
  const std::vector<std::string> running = upstreams_.running_names();
  Json found = Json::array();
  for (const UpstreamDefinition& each : upstreams_.definitions()) {
    const bool runs = std::find(running.begin(), running.end(), each.name) != running.end();
    const bool given = operation.permit->servers != nullptr;
    if (!operation.permit->allows(each.name) || !(runs || given)) continue;
    found.push_back(described(each, store_.find(each.name).get()));
  }
  finish(id, std::move(found));
}

void UpstreamGateway::describe(std::uint64_t id) {
  with_tools(id, Fresh::No, [this, id](Operation& operation, const SharedTools& tools) {
    finish(id, described(*operation.server, tools.get()));
  });
}

void UpstreamGateway::tools(std::uint64_t id) {
  const Fresh fresh = is_set(find(id)->order.fields, "live") ? Fresh::Yes : Fresh::No;
  with_tools(id, fresh, [this, id](Operation&, const SharedTools& tools) {
    Json found = Json::array();
    for (const ToolDescription& each : tools->tools) found.push_back(tool_specification(each));
    finish(id, std::move(found));
  });
}

void UpstreamGateway::docs(std::uint64_t id) {
  with_tools(id, Fresh::No, [this, id](Operation& operation, const SharedTools& tools) {
    const Json& fields = operation.order.fields;
    const DocDetail detail = doc_detail(text_of(fields, "detail"));
    Json found = Json::array();
    const auto wanted = fields.find("tool");
    if (wanted == fields.end() || wanted->is_null()) {
      for (const ToolDescription& each : tools->tools) {
        found.push_back(tool_doc(*tools, each, detail));
      }
      return finish(id, std::move(found));
    }
    if (!wanted->is_string()) {
      return fail(id, wrong("'tool' must be a string when provided. Leave it out for all tools."));
    }
    const ToolDescription* tool = tools->find(wanted->get_ref<const std::string&>());
    if (tool == nullptr) {
      return fail(id, CallError{"unknown_tool",
                                no_such_tool(*tools, wanted->get_ref<const std::string&>())});
    }
    found.push_back(tool_doc(*tools, *tool, detail));
    finish(id, std::move(found));
  });
}

void UpstreamGateway::nearest(std::uint64_t id) {
  const Operation& operation = *find(id);
  const std::string server = text_of(operation.order.fields, "server");
  const std::string tool = text_of(operation.order.fields, "tool");
  const SharedTools tools = store_.find(server);
  if (upstreams_.find(server) == nullptr || !tools) {
    return finish(id, no_such_server(upstreams_.configuration(), server));
  }
  finish(id, no_such_tool(*tools, tool));
}

// --- search --------------------------------------------------------------------------------------

const ToolIndex& UpstreamGateway::index() {
  std::vector<SharedTools> all = store_.all();  // reads files, which may change the version
  if (!index_ || indexed_ != store_.version()) {
    index_.emplace(std::move(all));
    indexed_ = store_.version();
  }
  return *index_;
}

// Servers of which nothing is known are asked first: once, for what they say is kept.
void UpstreamGateway::search(std::uint64_t id) {
  Operation& operation = *find(id);
  if (text_of(operation.order.fields, "query").empty()) {
    return fail(id, wrong("Missing 'query' value: say what the tool should do."));
  }
  std::vector<std::string> unknown;
  for (std::string& each : store_.unknown()) {
    if (operation.permit->allows(each) && !not_searched_.contains(each)) {
      unknown.push_back(std::move(each));
    }
  }
  if (unknown.empty()) return search_now(id);
  operation.left = unknown.size();
  for (const std::string& each : unknown) {
    upstreams_.list(each, "tools/list", limits::kSearchListTimeout,
                    [this, id, each](const UpstreamAnswer& answer) {
                      if (!answer.ok()) not_searched_.insert(each);
                      Operation* found = find(id);
                      if (found != nullptr && --found->left == 0) search_now(id);
                    });
  }
}

void UpstreamGateway::search_now(std::uint64_t id) {
  const Operation& operation = *find(id);
  const Json& fields = operation.order.fields;
  std::size_t limit = limits::kSearchResults;
  if (const auto given = fields.find("limit"); given != fields.end() && !given->is_null()) {
    if (!given->is_number_integer()) {
      return fail(id, wrong("'limit' must be an integer: how many tools to find, 1 to 20."));
    }
    limit = static_cast<std::size_t>(std::clamp<std::int64_t>(
        given->get<std::int64_t>(), 1, static_cast<std::int64_t>(limits::kMostSearchResults)));
  }
  const DocDetail detail = doc_detail(text_of(fields, "detail"));
  // Of servers that the run was not given there may be any number before the first that it was.
  const std::size_t wanted = operation.permit->servers ? limits::kUpstreamTools : limit;
  Json found = Json::array();
  for (const ToolIndex::Found& each : index().search(text_of(fields, "query"), wanted)) {
    if (!operation.permit->allows(each.server->server)) continue;
    found.push_back(tool_doc(*each.server, *each.tool, detail));
    if (found.size() == limit) break;
  }
  finish(id, std::move(found));
}

// --- saved tools ---------------------------------------------------------------------------------

const SavedTools& UpstreamGateway::saved_tools_of(std::uint64_t id) {
  const SavedTools* of_run = find(id)->permit->saved_tools.get();
  return of_run != nullptr ? *of_run : saved_tools_;
}

void UpstreamGateway::list_saved_tools(std::uint64_t id) {
  const SavedTools& saved = saved_tools_of(id);
  const Result<SavedTools::Content> content = saved.read();
  if (!content) return fail(id, CallError{"internal", content.error().message});
  finish(id, {{"source", content.value().source},
              {"names", content.value().names},
              {"path", saved.path()}});
}

void UpstreamGateway::save_tool(std::uint64_t id) {
  const Json& fields = find(id)->order.fields;
  const std::string name = text_of(fields, "name");
  const SavedTools& tools = saved_tools_of(id);
  const Result<void> saved = tools.save(name, text_of(fields, "source"));
  if (!saved) return fail(id, wrong(saved.error().message));
  finish(id,
         {{"message", fmt::format("The tool {} was saved, and later sessions have it. It is in {}.",
                                  name, tools.path())}});
}

void UpstreamGateway::delete_tool(std::uint64_t id) {
  const std::string name = text_of(find(id)->order.fields, "name");
  const Result<void> removed = saved_tools_of(id).remove(name);
  if (!removed) return fail(id, wrong(removed.error().message));
  finish(id, {{"message",
               fmt::format("The tool {} was deleted; sessions that have it keep it.", name)}});
}

}  // namespace pyember::host
