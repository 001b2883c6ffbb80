#include "base/limits.h"
#include "mcp/method_parts.h"
#include "mcp/pending_call.h"
#include "mcp/tasks.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

// tasks/* and how a call becomes a task (PROTOCOL: section 14). Of the modern era alone, and of
// requests that declare the extension; a server that offers no tasks doesn't have these methods.
namespace pyember::mcp {
namespace {

RpcError tasks_not_declared(std::string_view what) {
  return {RpcCode::MissingCapability,
          fmt::format("{} needs a client with tasks, and this request declares none. Send {} in "
                      "its clientCapabilities.extensions.",
                      what, extension::kTasks),
          Json{{"requiredCapabilities",
                {{"extensions", {{std::string(extension::kTasks), Json::object()}}}}}}};
}

RpcError unknown_task(std::string_view id) {
  return invalid_params(
      fmt::format("Invalid params: there is no task {}. It was never one of this server's, or its "
                  "time is over. Call the tool again.",
                  in_quotes(id)));
}

}  // namespace

// --- from a call to a task -------------------------------------------------------------------

// Why this tool can't be called by this request; nullopt: it can.
std::optional<RpcError> Connection::Impl::check_tasking(const Request& request, const Tool& tool) {
  if (tool.tasking != Tool::Tasking::Required || !server_.tasks) return std::nullopt;
  const RequestContext& context = request.from.context;
  if (!is_modern(context.version) || context.client.tasks) return std::nullopt;
  return tasks_not_declared(tool.name);
}

bool Connection::Impl::may_become_task(const PendingCall& pending) const {
  return server_.tasks && pending.tool().tasking != Tool::Tasking::Never &&
         pending.from.context.client.tasks && !pending.from.batch && !closing_;
}

bool Connection::Impl::become_task(PendingCall& pending) {
  if (!may_become_task(pending)) return false;
  ToolCall& call = pending.call();
  Task* const task = server_.tasks->begin(pending.tool(), call);
  if (task == nullptr) return false;  // it is answered as it would be without tasks
  const auto taken = in_flight_.take(pending.from.id);
  pending.leave();
  ToolCall::Options options = options_for(pending.from);
  options.wants_progress = true;
  options.log_level.reset();
  options.begun = nullptr;
  options.is_task = true;
  call.move_to(*task, std::move(options));
  task->keep();
  protocol_changed();
  responder_.task(pending.from, task->summary());
  end_subscriptions_if_over();
  return true;
}

void Connection::Impl::watch_for_slowness(const std::shared_ptr<PendingCall>& pending) {
  if (pending->tool().tasking != Tool::Tasking::Optional || !may_become_task(*pending)) return;
  slow_candidates_.push_back({server_.tasks->now_ms(), pending});
}

void Connection::Impl::make_slow_calls_tasks() {
  if (slow_candidates_.empty()) return;
  const std::int64_t latest =
      server_.tasks->now_ms() - std::chrono::milliseconds(limits::kTaskAfter).count();
  std::vector<std::shared_ptr<PendingCall>> slow;
  std::erase_if(slow_candidates_, [&](const SlowCandidate& each) {
    auto pending = each.pending.lock();
    if (!pending || pending->over()) return true;
    if (each.since_ms > latest) return false;
    slow.push_back(std::move(pending));
    return true;
  });
  for (const auto& pending : slow) {
    if (!pending->over() && in_flight_.contains(pending->from.id)) become_task(*pending);
  }
}

// --- the methods -----------------------------------------------------------------------------

// The task that a request names, unless its caller may not call the tool. Answers the error itself.
Task* Connection::Impl::task_of(const Request& request) {
  if (!server_.tasks) {
    responder_.error(request.from, unknown_method(request.method));
    return nullptr;
  }
  if (!request.from.context.client.tasks) {
    responder_.error(request.from, tasks_not_declared(request.method));
    return nullptr;
  }
  const std::string* id = string_member(request.params, "taskId");
  Task* const task = id != nullptr ? server_.tasks->find(*id) : nullptr;
  if (task == nullptr) {
    responder_.error(request.from,
                     id != nullptr
                         ? unknown_task(*id)
                         : invalid_params("Invalid params: taskId is missing or not a string. Send "
                                          "the one that the call was answered with."));
  }
  if (task != nullptr && !may_see(*task)) {
    responder_.error(request.from, forbidden_tool(task->tool()));
    return nullptr;
  }
  return task;
}

void Connection::Impl::get_task(Request&& request) {
  if (Task* const task = task_of(request)) responder_.result(request.from, task->details());
}

void Connection::Impl::update_task(Request&& request) {
  Task* const task = task_of(request);
  if (task == nullptr) return;
  const auto responses = request.params.find("inputResponses");
  if (responses == request.params.end() || !responses->is_object()) {
    return responder_.error(request.from,
                            invalid_params("Invalid params: inputResponses is missing or not an "
                                           "object. Send {\"key\": result} with the keys of the "
                                           "task's inputRequests."));
  }
  const Json given = std::move(*responses);
  task->answer(given);
  responder_.result(request.from, {});
}

void Connection::Impl::cancel_task(Request&& request) {
  Task* const task = task_of(request);
  if (task == nullptr) return;
  task->cancel();
  responder_.result(request.from, {});
}

// --- what listeners are told -----------------------------------------------------------------

// The tasks of a subscriptions/listen, those there are of them; or what is wrong with them.
std::optional<RpcError> Connection::Impl::read_task_ids(const Request& request,
                                                        SubscriptionFilter& filter) {
  const auto wanted = request.params.find("notifications");
  if (wanted == request.params.end() || !wanted->is_object()) return std::nullopt;
  const auto ids = wanted->find("taskIds");
  if (ids == wanted->end() || !server_.tasks) return std::nullopt;
  if (!request.from.context.client.tasks) return tasks_not_declared("notifications.taskIds");
  const bool is_list = ids->is_array() && ids->size() <= server_.bounds.uris_per_subscription;
  if (!is_list ||
      !std::all_of(ids->begin(), ids->end(), [](const Json& id) { return id.is_string(); })) {
    return invalid_params(
        fmt::format("Invalid params: notifications.taskIds is no list of at most {} strings. Send "
                    "ids of tasks.",
                    server_.bounds.uris_per_subscription));
  }
  for (const Json& id : *ids) {
    const auto& text = id.get_ref<const std::string&>();
    const Task* const task = server_.tasks->find(text);
    if (task != nullptr && may_see(*task)) filter.task_ids.insert(text);
  }
  return std::nullopt;
}

void Connection::Impl::task_changed(const Task& task) {
  std::string details;
  // What is sent may end the connection, and a subscription with it.
  for (std::size_t index = 0; index < subscriptions_.size(); ++index) {
    const Subscription& each = subscriptions_[index];
    if (!each.filter.task_ids.contains(task.id())) continue;
    if (details.empty()) details = task.details();
    const RequestId about = each.id;
    responder_.notification(&about, "notifications/tasks", subscription_params(each, details));
  }
}

}  // namespace pyember::mcp
