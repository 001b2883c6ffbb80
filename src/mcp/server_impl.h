#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mcp/connection.h"
#include "mcp/in_flight.h"
#include "mcp/request_state.h"
#include "mcp/server.h"
#include "mcp/tasks.h"
#include "mcp/waiting_calls.h"

// Internal to the sources of the server and its connections.
namespace pyember::mcp {

// What the connections of one server share.
class Server::Impl {
 public:
  Impl(ServerInfo server_info, ToolCatalog& tool_catalog, ResourceCatalog& resource_catalog,
       ServerBounds server_bounds);
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void offer_prompts(PromptCatalog& catalog);
  void offer_tasks(WallClock clock, TaskKeeper* keeper);

  void join(Connection::Impl& connection);
  void leave(Connection::Impl& connection);
  // Those there are now, one after another. Each is kept until it was visited; one that leaves
  // meanwhile is left out, one that joins is not visited.
  void for_each(const std::function<void(Connection::Impl&)>& visit);

  // URIs that someone has subscribed to, counted.
  void add_subscriber(std::string_view uri);
  void remove_subscriber(std::string_view uri);
  bool has_subscriber(std::string_view uri) const { return subscribers_.contains(uri); }

  const ServerInfo info;
  const std::string info_member;  // "io.modelcontextprotocol/serverInfo":{…}
  const ServerBounds bounds;
  ToolCatalog& tools;
  ResourceCatalog& resources;
  PromptCatalog* prompts = nullptr;  // null: the server has none
  Tool prompt_tool;                  // what a prompts/get is in flight as (prompt_methods.cpp)
  InFlightTotals in_flight;
  RequestStates states;
  WaitingCalls waiting;
  std::unique_ptr<Tasks> tasks;  // null: the server offers none

 private:
  // A place of one that left is null while they are visited.
  std::vector<Connection::Impl*> connections_;
  std::size_t visits_ = 0;  // one may begin within another
  bool has_gaps_ = false;
  std::map<std::string, std::size_t, std::less<>> subscribers_;
};

}  // namespace pyember::mcp
