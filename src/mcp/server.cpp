#include "mcp/server.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/check.h"
#include "base/limits.h"
#include "mcp/connection_impl.h"
#include "mcp/presentation.h"
#include "mcp/server_impl.h"

namespace pyember::mcp {
namespace {

std::string info_member_of(const ServerInfo& info) {
  std::string member;
  append_json_string(member, meta_key::kServerInfo);
  member += ':';
  append_server_info(member, info, kModernVersion);
  return member;
}

}  // namespace

ServerBounds ServerBounds::standard() {
  return {limits::kMaximumLineBytes,      limits::kMaximumRequestsInFlight,
          limits::kMaximumBytesInFlight,  limits::kMaximumSubscriptions,
          limits::kMaximumSubscribedUris, limits::kPageSize};
}

TaskCounts& TaskCounts::operator+=(const TaskCounts& others) {
  working += others.working;
  input_required += others.input_required;
  completed += others.completed;
  failed += others.failed;
  cancelled += others.cancelled;
  return *this;
}

Server::Impl::Impl(ServerInfo server_info, ToolCatalog& tool_catalog,
                   ResourceCatalog& resource_catalog, ServerBounds server_bounds)
    : info(std::move(server_info)),
      info_member(info_member_of(info)),
      bounds(server_bounds),
      tools(tool_catalog),
      resources(resource_catalog) {}

Server::Impl::~Impl() { CHECK(connections_.empty()); }

void Server::Impl::offer_tasks(WallClock clock, TaskKeeper* keeper) {
  const auto tell = [this](const Task& task) {
    for_each([&task](Connection::Impl& each) { each.task_changed(task); });
  };
  tasks = std::make_unique<Tasks>(Task::Surroundings{std::move(clock), tell, keeper});
}

// --- connections -----------------------------------------------------------------------------

void Server::Impl::join(Connection::Impl& connection) { connections_.push_back(&connection); }

void Server::Impl::leave(Connection::Impl& connection) {
  const auto found = std::find(connections_.rbegin(), connections_.rend(), &connection);
  CHECK(found != connections_.rend());
  if (visits_ > 0) {
    *found = nullptr;
    has_gaps_ = true;
  } else {
    *found = connections_.back();
    connections_.pop_back();
  }
}

void Server::Impl::for_each(const std::function<void(Connection::Impl&)>& visit) {
  ++visits_;
  const std::size_t count = connections_.size();
  for (std::size_t index = 0; index < count; ++index) {
    if (connections_[index] == nullptr) continue;
    const std::shared_ptr<Connection::Impl> kept = connections_[index]->shared_from_this();
    visit(*kept);
  }
  if (--visits_ > 0 || !std::exchange(has_gaps_, false)) return;
  std::erase(connections_, nullptr);
}

void Server::Impl::add_subscriber(std::string_view uri) {
  const auto found = subscribers_.find(uri);
  if (found != subscribers_.end()) {
    ++found->second;
  } else {
    subscribers_.emplace(uri, 1);
  }
}

void Server::Impl::remove_subscriber(std::string_view uri) {
  const auto found = subscribers_.find(uri);
  CHECK(found != subscribers_.end());
  if (--found->second == 0) subscribers_.erase(found);
}

// --- the public face -------------------------------------------------------------------------

Server::Server(ServerInfo info, ToolCatalog& tools, ResourceCatalog& resources, ServerBounds bounds)
    : impl_(std::make_unique<Impl>(std::move(info), tools, resources, bounds)) {}

Server::~Server() = default;

void Server::offer_prompts(PromptCatalog& prompts) { impl_->offer_prompts(prompts); }
void Server::offer_tasks(WallClock clock, TaskKeeper* keeper) {
  impl_->offer_tasks(std::move(clock), keeper);
}
TaskCounts Server::task_counts() const {
  return impl_->tasks ? impl_->tasks->counts() : TaskCounts();
}
std::size_t Server::running_tasks() const { return impl_->tasks ? impl_->tasks->running() : 0; }

void Server::look_after_tasks() {
  if (!impl_->tasks) return;
  impl_->tasks->drop_expired();
  impl_->for_each([](Connection::Impl& each) { each.make_slow_calls_tasks(); });
}

std::size_t Server::in_flight() const { return impl_->in_flight.requests; }
std::size_t Server::waiting() const { return impl_->waiting.running(); }
bool Server::has_subscriber(std::string_view uri) const { return impl_->has_subscriber(uri); }

void Server::resource_updated(std::string_view uri) {
  if (!has_subscriber(uri)) return;
  impl_->for_each([uri](Connection::Impl& each) { each.resource_updated(uri); });
}

void Server::resources_list_changed() {
  impl_->for_each([](Connection::Impl& each) {
    each.list_changed("notifications/resources/list_changed",
                      &SubscriptionFilter::resources_list_changed);
  });
}

void Server::tools_list_changed() {
  impl_->for_each([](Connection::Impl& each) {
    each.list_changed("notifications/tools/list_changed", &SubscriptionFilter::tools_list_changed);
  });
}

void Server::prompts_list_changed() {
  impl_->for_each([](Connection::Impl& each) {
    each.list_changed("notifications/prompts/list_changed",
                      &SubscriptionFilter::prompts_list_changed);
  });
}

void Server::log(LogLevel level, std::string_view logger, const Json& data) {
  impl_->for_each([&](Connection::Impl& each) { each.log(level, logger, data); });
}

}  // namespace pyember::mcp
