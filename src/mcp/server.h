#pragma once

#include "mcp/json.h"
#include "mcp/log_level.h"
#include "mcp/prompts.h"
#include "mcp/resources.h"
#include "mcp/tool.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace pyember::mcp {

class TaskKeeper;

// Milliseconds since 1970, of the wall clock.
using WallClock = std::function<std::int64_t()>;

struct ServerInfo {
  std::string name;
  std::string title;
  std::string version;
  std::string description;
  std::string website_url;
  std::string instructions;   // how a model should use this server; empty: none
  Json extensions = nullptr;  // capabilities.extensions: settings by the extension's id; null: none
};

// Tasks by their status; those that are over as long as they are kept.
struct TaskCounts {
  std::size_t working = 0;
  std::size_t input_required = 0;
  std::size_t completed = 0;
  std::size_t failed = 0;
  std::size_t cancelled = 0;

  TaskCounts& operator+=(const TaskCounts& others);
};

// Bounds on what clients may make the server hold; the defaults come from base/limits.h.
struct ServerBounds {
  std::size_t line_bytes;
  std::size_t requests_in_flight;     // of all connections, listen streams among them
  std::size_t bytes_in_flight;        // of their lines
  std::size_t subscriptions;          // listen streams of one connection
  std::size_t uris_per_subscription;  // also of a connection of the handshake era
  std::size_t page_size;              // tools, resources, templates per page
  static ServerBounds standard();
};

// What an MCP server offers to one principal, over however many connections: its catalogs, and what
// outlives a connection. No threads, clock or descriptors.
//
// Owned by the composition; used on the loop's thread only. The catalogs outlive it, and it
// outlives its connections, which find it by themselves. Destroying it cancels the calls that wait.
class Server {
 public:
  Server(ServerInfo info, ToolCatalog& tools, ResourceCatalog& resources,
         ServerBounds bounds = ServerBounds::standard());
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Before there are connections: the server has prompts and completes arguments, from now on. It
  // outlives the server.
  void offer_prompts(PromptCatalog& prompts);

  // Before there are connections: calls of clients that declare the extension may be answered with
  // tasks, from now on. `keeper` outlives the server; null: tasks end with it.
  void offer_tasks(WallClock clock, TaskKeeper* keeper = nullptr);
  // To be called from time to time: calls that take longer than limits::kTaskAfter become tasks,
  // and those that are over for long are forgotten.
  void look_after_tasks();
  // Tasks that are not over and that a server which ends loses.
  std::size_t running_tasks() const;
  TaskCounts task_counts() const;

  // Requests of all connections that are not answered yet.
  std::size_t in_flight() const;

  // Modern calls that were answered with a question and go on until the client calls again with
  // the answer. They are not in flight; a server that ends loses them.
  std::size_t waiting() const;

  // What subscribers are told, on every connection.
  void resource_updated(std::string_view uri);
  bool has_subscriber(std::string_view uri) const;  // to save work nobody wants
  void resources_list_changed();
  void tools_list_changed();
  void prompts_list_changed();

  // A log message that belongs to no request: only the handshake era can receive it, at or above
  // the level it asked for with logging/setLevel.
  void log(LogLevel level, std::string_view logger, const Json& data);

 private:
  friend class Connection;
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pyember::mcp
