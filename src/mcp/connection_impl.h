#pragma once

#include "mcp/connection.h"
#include "mcp/eras.h"
#include "mcp/in_flight.h"
#include "mcp/json_rpc.h"
#include "mcp/line_framer.h"
#include "mcp/prompts.h"
#include "mcp/responder.h"
#include "mcp/server_impl.h"
#include "mcp/subscriptions.h"
#include "mcp/tasks.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Internal to the sources of a connection (connection.cpp: from bytes to a method; methods.cpp: the
// methods; questions.cpp: what calls ask the client; resume.cpp: going on after another server).
namespace pyember::mcp {

// What a call answers whose server died when it had begun.
ToolResult lost_call(const Tool& tool, const Json& arguments);

// Equal for equal values, whatever the order of their members; for nothing but comparing.
std::size_t structural_hash(const Json& value);

// Shared by what runs in it, since what it sends may end it: whoever enters it keeps it. After
// close() it does nothing more.
class Connection::Impl : public LineFramer::Receiver, public std::enable_shared_from_this<Impl> {
 public:
  Impl(Server::Impl& server, Output& output, Options options);
  void close();

  void resume(Continuation&& from);
  void receive(std::string_view bytes) { framer_.receive(bytes); }
  void receive_early(std::string_view line);
  void receive_end();
  void receive_message(Result<Json>&& parsed, std::string_view text, const RequestHeaders* headers);
  void end_subscriptions();
  void cancel_all();
  std::size_t in_flight() const { return in_flight_.size(); }
  std::optional<Version> version() const { return handshake_.version(); }

  // From the server: what subscribers are told.
  void resource_updated(std::string_view uri);
  void list_changed(std::string_view method, bool SubscriptionFilter::*wanted);
  void log(LogLevel level, std::string_view logger, const Json& data);
  void task_changed(const Task& task);
  void make_slow_calls_tasks();

  // From pending requests, when their answer is known.
  void finish(const PendingRequest& request, const ToolResult& result);
  void finish(const PendingRequest& request, const RpcError& error);
  void finish_read(const PendingRequest& request, const std::string& uri,
                   const Result<std::vector<ResourceContent>>& contents);
  void notify_progress(const Recipient& from, double progress, std::optional<double> total,
                       std::string_view message);
  // `about`: the request it belongs to; null: none.
  void notify_log(const RequestId* about, LogLevel level, std::string_view logger,
                  const Json& data);

 private:
  class PendingCall;
  struct AskedQuestion {
    PendingCall* pending;  // takes its questions back before it goes
    ToolCall::OpenQuestion question;
  };
  enum class Era { Both, Modern, Handshake };
  struct Method {
    std::string_view name;
    void (Impl::*serve)(Request&&);
    Era era;
  };
  static const Method* find_method(std::string_view name);

  // LineFramer::Receiver
  void line(std::string_view text) override;
  void overlong_line(std::string_view beginning, std::string_view end) override;

  // From a message to its method.
  void handle_text(std::string_view text, Result<Json>&& value, Ticket ticket,
                   const RequestHeaders* headers);
  void handle_batch(Json&& messages, std::size_t bytes, Ticket ticket);
  void handle_message(Json&& value, Recipient&& from, const RequestHeaders* headers);
  void handle_request(Request&& request);
  void handle_modern_request(Request&& request);
  void handle_handshake_request(Request&& request);
  void handle_notification(const Message& message);
  void handle_response(Message&& message);
  void cancel(const Json& params);

  // The methods.
  void discover(Request&& request);
  void initialize(Request&& request);
  void ping(Request&& request);
  void set_log_level(Request&& request);
  void list_tools(Request&& request);
  void call_tool(Request&& request);
  void list_resources(Request&& request);
  void list_templates(Request&& request);
  void read_resource(Request&& request);
  void subscribe(Request&& request);
  void unsubscribe(Request&& request);
  void list_prompts(Request&& request);
  void get_prompt(Request&& request);
  void complete_argument(Request&& request);
  void get_task(Request&& request);
  void update_task(Request&& request);
  void cancel_task(Request&& request);
  void listen(Request&& request);

  // Questions to the client (questions.cpp).
  void ask(PendingCall& pending);
  void take_early_answers(PendingCall& pending, const Json& responses);
  void ask_beside(PendingCall& pending);
  void ask_instead_of_answer(PendingCall& pending);
  void withdraw(PendingCall& pending, std::uint64_t question);
  void take_back(const RequestId* about, const std::string& name, std::string_view why);
  void call_again(Request&& request, const Tool& tool, const Json& arguments, const Json& state);
  void answer_late(const Recipient& to, const WaitingCall& waiting);
  void go_on(Request&& request, const WaitingCall& waiting);
  void end_questions();
  void remember_questions(Json& state) const;
  void restore_questions(const Json& state);

  // Calls that go on as tasks (task_methods.cpp).
  struct SlowCandidate {
    std::int64_t since_ms;
    std::weak_ptr<PendingCall> pending;
  };
  std::optional<RpcError> check_tasking(const Request& request, const Tool& tool);
  bool may_become_task(const PendingCall& pending) const;
  bool become_task(PendingCall& pending);
  void watch_for_slowness(const std::shared_ptr<PendingCall>& pending);
  Task* task_of(const Request& request);
  bool may_see(const Task& task) const {
    return !options_.may_call || options_.may_call(task.tool());
  }
  std::optional<RpcError> read_task_ids(const Request& request, SubscriptionFilter& filter);

  // After another server (resume.cpp).
  void restore_protocol(const std::string& text);
  void restore_handshake(const Json& state);
  void remember_handshake(Json& state) const;
  void give_up(KeptLine&& line);
  void give_up_message(Json&& value, Recipient&& from);
  void protocol_changed();
  void forget(const Recipient& from);

  // What methods share.
  bool admit(const Recipient& from);
  std::optional<std::string> read_uri(const Request& request);
  std::optional<std::string> read_cursor_of(const Request& request, std::string_view list);
  void call_or_go_on(Request&& request, const Tool& tool, Json&& arguments);
  void start_call(Recipient&& from, const Tool& tool, Json&& arguments, const Json& answers);
  ToolCall::Options options_for(const Recipient& from);
  void result_at_once(const Recipient& from, const ToolResult& result);
  void end_subscriptions_if_over();

  void finish_completion(const PendingRequest& request, const Result<Completion>& found);

  bool may_call(const Tool& tool) const {
    return !options_.may_call || options_.may_call(tool.name);
  }
  std::vector<Subscription> take_subscriptions();
  void drop_subscription(const RequestId& id);

  Server::Impl& server_;
  const Options options_;
  Responder responder_;
  LineFramer framer_;
  Handshake handshake_;
  InFlight in_flight_;
  std::vector<Subscription> subscriptions_;                  // each is in flight as well
  std::map<std::string, AskedQuestion, std::less<>> asked_;  // by the ids of our requests
  std::vector<SlowCandidate> slow_candidates_;               // in the order they began
  bool ended_ = false;
  bool closing_ = false;
  bool resuming_ = false;
};

}  // namespace pyember::mcp
