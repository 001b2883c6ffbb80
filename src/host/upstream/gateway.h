#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "host/loop/event_loop.h"
#include "host/upstream/call_service.h"
#include "host/upstream/policy/audit_log.h"
#include "host/upstream/policy/call_guard.h"
#include "host/upstream/policy/policy.h"
#include "host/upstream/policy/tool_pins.h"
#include "host/upstream/saved_tools.h"
#include "host/upstream/tools/tool_index.h"
#include "host/upstream/tools/tool_store.h"
#include "host/upstream/upstreams.h"
#include "mcp/client_capabilities.h"

namespace pyember::host {

class QuestionService;
class ServerMetrics;

// What each operation of the calls channel does (docs/code-mode-wire.md): asks the run's permit,
// the policy and the pins, the store and the index of tools, and the upstreams themselves, and
// writes every call into the audit log.
//
// Nothing is started before it is asked for. Owned by the App; loop's thread only.
class UpstreamGateway final : public CallService {
 public:
  struct Settings {
    UpstreamSettings upstreams;
    // By whom upstreams' own questions are asked; outlives this. Null: they may ask nothing.
    QuestionService* questions = nullptr;
    ServerMetrics* metrics = nullptr;  // counts calls; outlives this; null: nobody does
    std::string state_folder;          // of caches, pins and the audit log; empty: nothing is kept
    std::string saved_tools_folder;    // of runs whose permit names none; empty: none are saved
  };

  UpstreamGateway(EventLoop& loop, UpstreamConfiguration configuration, Policy policy,
                  Settings settings);
  ~UpstreamGateway() override;

  Upstreams& upstreams() { return upstreams_; }
  ToolStore& store() { return store_; }

  // For a run that names the servers it wants (names or aliases, any number of times each), which
  // are started at once. The error: one of them is not configured.
  Result<std::shared_ptr<const std::vector<std::string>>> allow(
      const std::vector<std::string>& servers);

  std::uint64_t serve(const std::shared_ptr<RunPermit>& permit, CallOrder order,
                      Done done) override;
  void cancel(std::uint64_t id) override;

  // Ends the upstreams in an orderly way, and writes what there is to be written; `done` is called
  // once.
  void end(std::chrono::milliseconds deadline, std::function<void()> done);

 private:
  // An operation that is under way.
  struct Operation {
    std::shared_ptr<RunPermit> permit;
    CallOrder order;
    Done done;
    const UpstreamDefinition* server = nullptr;
    std::chrono::milliseconds timeout{0};
    std::uint64_t asked = 0;            // of the upstreams; 0: nothing
    std::uint64_t checked = 0;          // by the guard; 0: nothing
    std::optional<AuditRecord> record;  // of a call, as far as it has come
    std::chrono::steady_clock::time_point began{};
    std::size_t left = 0;  // servers that a search waits for
  };
  using Step = void (UpstreamGateway::*)(std::uint64_t id);
  struct Verb {
    Step step;
    bool wants_server;
  };

  static const Verb* verb_of(std::string_view op);
  Operation* find(std::uint64_t id);
  void finish(std::uint64_t id, mcp::Json value);
  void finish_text(std::uint64_t id, std::string value);
  void fail(std::uint64_t id, CallError error);
  void fail(std::uint64_t id, const UpstreamFailure& failure);
  std::optional<CallError> take_server(Operation& operation) const;
  std::optional<CallError> take_timeout(Operation& operation) const;
  // The tools of the operation's server, from what is known of it or from itself; `then` is not
  // called when that fails, which is told.
  enum class Fresh { No, Yes };
  void with_tools(std::uint64_t id, Fresh fresh,
                  std::function<void(Operation&, const SharedTools&)> then);
  // Has it running, so that its tools are known as they are now.
  void with_server(std::uint64_t id, std::function<void(Operation&)> then);
  mcp::Json described(const UpstreamDefinition& definition, const ServerTools* tools) const;
  void tools_listed(const UpstreamDefinition& definition, const mcp::Json& tools,
                    double start_seconds);
  const ToolIndex& index();

  void discovered(std::uint64_t id);
  void servers(std::uint64_t id);
  void loaded(std::uint64_t id);
  void describe(std::uint64_t id);
  void tools(std::uint64_t id);
  void docs(std::uint64_t id);
  void search(std::uint64_t id);
  void search_now(std::uint64_t id);
  void nearest(std::uint64_t id);
  void call(std::uint64_t id);
  void call_known(Operation& operation, std::uint64_t id);
  void check_call(std::uint64_t id, CallGuard::Call call, std::function<void(Operation&)> then);
  void ask(Operation& operation, std::uint64_t id, std::string_view method, mcp::Json params);
  void note_client(const RunPermit& permit);
  void answered(std::uint64_t id, UpstreamAnswer answer);
  void list(std::uint64_t id, std::string_view method, const char* member);
  void resources(std::uint64_t id) { list(id, "resources/list", "resources"); }
  void resource_templates(std::uint64_t id) {
    list(id, "resources/templates/list", "resourceTemplates");
  }
  void prompts(std::uint64_t id) { list(id, "prompts/list", "prompts"); }
  void read_resource(std::uint64_t id);
  void get_prompt(std::uint64_t id);
  void accept_tools(std::uint64_t id);
  const SavedTools& saved_tools_of(std::uint64_t id);
  void list_saved_tools(std::uint64_t id);
  void save_tool(std::uint64_t id);
  void delete_tool(std::uint64_t id);
  void begin_record(Operation& operation, std::string_view method, std::string name,
                    const mcp::Json& arguments) const;
  void end_record(Operation& operation, std::string_view outcome, std::size_t bytes);

  EventLoop& loop_;
  QuestionService* const questions_;
  ServerMetrics* const metrics_;
  mcp::ClientCapabilities told_client_;  // what upstreams were last told that they can ask
  const Policy policy_;
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
  ToolStore store_;
  std::optional<ToolIndex> index_;
  std::uint64_t indexed_ = 0;  // the store's version then
  ToolPins pins_;
  CallGuard guard_;
  AuditLog audit_;
  SavedTools saved_tools_;
  std::set<std::string> listed_;        // upstreams whose tools were seen, by this server
  std::set<std::string> not_searched_;  // upstreams that could not be listed for a search
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, std::unique_ptr<Operation>> operations_;
  Upstreams upstreams_;  // ends first
};

}  // namespace pyember::host
