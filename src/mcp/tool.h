#pragma once

#include "mcp/call_meter.h"
#include "mcp/client_capabilities.h"
#include "mcp/errors.h"
#include "mcp/json.h"
#include "mcp/log_level.h"
#include "mcp/parameter_headers.h"
#include "mcp/question.h"
#include "mcp/trace_context.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pyember::mcp {

// What a tool answers. A tool that failed in a way the model can act on sets is_error; what the
// client's era doesn't know (structured content, resource links) is taken out by the server.
struct ToolResult {
  Json content = Json::array();  // content blocks
  Json structured;               // structuredContent; null: none
  bool is_error = false;
  Json meta = nullptr;     // the result's _meta: for programs, not for models; null: none
  bool is_prompt = false;  // of a prompt (mcp/prompts.h): content are messages, structured a text
};

// A content block {"type":"text","text":…}.
Json text_block(std::string text);

// A result whose only content is this text, marked as an error: what, why, what to do next.
ToolResult tool_error(std::string text);
// The same fact twice: for people and models, and as data.
ToolResult tool_result(std::string text, Json structured);

// Where one call sends what it has to say; the server makes one for each call, tests give a fake.
// After call_completed or call_failed it is not used again.
class ToolCallSink {
 public:
  virtual ~ToolCallSink() = default;
  virtual void call_progress(double progress, std::optional<double> total,
                             std::string_view message) = 0;
  virtual void call_log(LogLevel level, std::string_view logger, const Json& data) = 0;
  // The call has a question that is not sent yet (ToolCall::take_question()), or wants this one no
  // longer. Only called when the call's options say that it can ask.
  virtual void call_asks() {}
  virtual void call_withdraws(std::uint64_t question) { static_cast<void>(question); }
  // The call is to go on as a task; whether it does from now on, with another sink.
  virtual bool call_becomes_task() { return false; }
  // Only called of tasks: their work has a name by which it goes on without this server, and was
  // cancelled by somebody else.
  virtual void call_lasts_as(std::string_view work) { static_cast<void>(work); }
  virtual void call_cancelled(std::string_view why) { static_cast<void>(why); }
  virtual void call_lets_client_go() {}
  virtual void call_completed(ToolResult result) = 0;
  virtual void call_failed(RpcError error) = 0;
};

// One tools/call in flight. Shared, because its handler keeps it until the answer is known, which
// may be after the call that started it has returned, and because several callbacks of the host may
// hold on to the same call. All members are called on the loop's thread.
//
// Answered exactly once: complete() or fail(), whichever is first; later ones do nothing. A call
// destroyed without an answer answers -32603, so no request is ever left hanging. After a
// cancellation nothing is sent for it any more, whatever is called here. A call may outlive its
// server; it is then cancelled.
class ToolCall {
 public:
  struct Options {
    bool wants_progress = false;
    std::optional<LogLevel> log_level;  // nothing below it is sent; nullopt: nothing at all
    std::atomic<std::uint8_t>* begun = nullptr;  // set when it begins; null: nobody wants to know
    ClientCapabilities client = {};              // as far as it may be asked
    std::shared_ptr<const TraceContext> trace = nullptr;  // null: the client keeps none
    bool is_task = false;  // its request was answered with a task, which it goes on as
  };

  // `meter`: told of its end and its questions; null: nobody counts it.
  ToolCall(Json arguments, Options options, ToolCallSink& sink, CallMeter* meter = nullptr);
  ~ToolCall();
  ToolCall(const ToolCall&) = delete;
  ToolCall& operator=(const ToolCall&) = delete;

  // Already checked against the tool's input schema; always an object.
  const Json& arguments() const { return arguments_; }
  // The same, for a handler that wants to move strings out of it.
  Json take_arguments() { return std::move(arguments_); }

  // From now on it may have effects: should the server die, it is not called again. For a handler
  // that hands the beginning on to another thread, begun_mark() is what that sets to 1, while the
  // call is neither answered nor cancelled; null: nothing to set.
  void begin();
  std::atomic<std::uint8_t>* begun_mark() const { return options_.begun; }

  // The caller gave a progress token. Without one progress() does nothing.
  bool wants_progress() const { return options_.wants_progress; }
  // `progress` must be greater than the one before; what is not is left out.
  void progress(double progress, std::optional<double> total, std::string_view message);

  bool wants_log(LogLevel level) const;
  void log(LogLevel level, std::string_view logger, const Json& data);

  // Called once if the client cancels the call (or the server goes away first); at once if it
  // already has. Set one callback; a later one replaces it.
  void on_cancel(std::function<void()> callback);
  bool cancelled() const { return state_ == State::Cancelled; }
  bool answered() const { return state_ == State::Answered; }

  void complete(ToolResult result);
  void fail(RpcError error);

  // What the client can do, as it said with this call or at the beginning; and where the call
  // stands in the client's trace (null: it keeps none), for whoever works for it.
  const ClientCapabilities& client() const { return options_.client; }
  const std::shared_ptr<const TraceContext>& trace() const { return options_.trace; }

  // Whether the client can be asked that: it says so, and waits for this call's answer.
  bool can_ask(InputRequest::Kind kind = InputRequest::Kind::Form) const {
    return state_ == State::Open && can_be_asked(options_.client, kind);
  }
  // Asks a question while the call goes on; the call has begun by that. `answered` is called once:
  // when the answer comes, or with an error, which may be before ask() returns (nobody can be
  // asked) or when the call is answered or cancelled first. There is no deadline: who asks keeps
  // one and withdraws. At most limits::kQuestionsAtOnce of a call are shown at the same time.
  // Returns the question's number; 0: it was refused at once.
  std::uint64_t ask(InputRequest question, WhenAnswered answered);
  // Its answer is not wanted any more; `answered` is not called. Nothing, if there is none.
  void withdraw(std::uint64_t question);

  // Answers the request with a task, where the client and the server have them, and goes on: what
  // it asks from now on is the task's, and its result is kept for who asks for it. Whether it does;
  // else the request goes on waiting for the result.
  bool go_on_as_task() { return state_ == State::Open && sink_->call_becomes_task(); }

  bool is_task() const { return options_.is_task; }
  // Called once when the call becomes a task, before its client hears of it; at once if it is one.
  void on_task(std::function<void()> callback);
  // What a task waits for goes on when this server ends, and whoever keeps tasks (TaskKeeper) finds
  // it by this name.
  void lasts_as(std::string_view work) {
    if (state_ == State::Open && is_task()) sink_->call_lasts_as(work);
  }
  // Somebody else has cancelled what a task waits for: it ends as cancelled, with this as its
  // message. False: the call is no task, or over, and is to be answered as ever.
  bool end_as_cancelled(std::string_view why);

  // The result takes a while: a client of HTTP that knows how to come back for it (revision
  // 2025-11-25, SEP-1699) need not keep its connection until then. Others notice nothing.
  void let_client_go() {
    if (state_ == State::Open) sink_->call_lets_client_go();
  }

  // --- For the sink ---
  // Nothing is sent for this call from now on, and its handler is told.
  void cancel();
  // The same, but its handler goes on and is not told.
  void abandon();
  // It goes on with another request of the client's.
  void move_to(ToolCallSink& sink, Options options);
  // The next question that was not sent, which counts as sent from now on; null: there is none.
  // Valid until it is answered or withdrawn.
  struct OpenQuestion {
    std::uint64_t number;
    const InputRequest* question;
  };
  std::optional<OpenQuestion> take_question();
  std::vector<OpenQuestion> sent_questions() const;
  bool has_questions() const { return !questions_.empty(); }
  void answer_question(std::uint64_t number, Result<Answer> answer);
  // All that are open have no answer: nobody is there to give one.
  void refuse_questions(const Error& why);
  // The same for those that the client says it can't be asked (any more).
  void refuse_undeclared(const Error& why);

 private:
  enum class State { Open, Answered, Cancelled };
  struct Asking {
    InputRequest question;
    WhenAnswered answered;
    bool sent = false;
  };
  using Asked =
      std::map<std::uint64_t, Asking>;  // by number: in the order in which they were asked

  ToolCallSink& leave(State state, Asked& dropped);
  void refuse(Asked refused, const Error& why);
  void count_end(CallMeter::Outcome outcome);
  void count_over(const Asking& asking, CallMeter::QuestionEnd end);

  Json arguments_;
  Options options_;
  ToolCallSink* sink_;
  CallMeter* const meter_;     // null: none
  const std::uint64_t began_;  // as the meter said
  State state_ = State::Open;
  double last_progress_;
  std::function<void()> cancel_callback_;
  std::function<void()> task_callback_;
  Asked questions_;
  std::uint64_t last_question_ = 0;
};

using ToolHandler = std::function<void(std::shared_ptr<ToolCall>)>;

// A tool as it is listed and called.
struct Tool {
  std::string name;  // [A-Za-z0-9_.-], at most 64
  std::string title;
  std::string description;  // never empty: it is what a model chooses by
  Json input_schema;        // root of type object; the keywords of mcp/schema.h
  Json output_schema;       // null: none
  Json annotations;  // readOnlyHint, destructiveHint, idempotentHint, openWorldHint; null: none
  ToolHandler handler;
  Json meta = nullptr;                    // _meta of the listed tool; null: none
  std::vector<std::string> aliases = {};  // other names it is called by; never listed
  bool null_is_absent = false;    // an argument that is null counts as left out, as in Python
  bool checks_arguments = false;  // its handler does; the schema is for the listing alone
  // When calling it again could do something twice: from the call on, from where its handler says
  // (ToolCall::begin), or never (as for one whose annotations say that it only reads).
  enum class Begins { WhenCalled, WhenItSays, Never };
  Begins begins = Begins::WhenCalled;
  // Whether a call of it may be answered with a task (PROTOCOL: section 14): never; when it asks
  // for one or is slow; or it is not served to requests that declare no tasks.
  enum class Tasking { Never, Optional, Required };
  Tasking tasking = Tasking::Never;
  // The answer to a call that had begun when the server died. Empty: an error that says so.
  std::function<ToolResult(const Json& arguments)> lost = nullptr;
  CallMeter* meter = nullptr;  // see ToolCatalog::count_calls()
};

class Schema;

// The tools of a server, in the order they were added (which is the order they are listed in).
// Not changed by calls.
class ToolCatalog {
 public:
  struct Entry {
    Tool tool;
    std::unique_ptr<const Schema> schema;  // compiled input schema
    std::vector<ParameterHeader> parameter_headers;
  };

  ToolCatalog();
  ~ToolCatalog();
  ToolCatalog(ToolCatalog&&) noexcept;

  // A bad tool (name or alias taken or malformed, schema with keywords we don't check or with a
  // misplaced x-mcp-header) is our bug: CHECK.
  void add(Tool tool);
  const Entry* find(std::string_view name) const;  // by its name or an alias
  const std::vector<Entry>& entries() const { return entries_; }

  // What a call of a tool that is not there answers. Empty, as it is at first: an error of the
  // protocol.
  using Unknown = std::function<ToolResult(std::string_view name)>;
  void answer_unknown(Unknown unknown) { unknown_ = std::move(unknown); }
  const Unknown& unknown() const { return unknown_; }

  // From now on calls are counted: by the meter of their tool's name, and, of tools that are not
  // there, by that of no name. Asked for once each; they outlive the catalog.
  void count_calls(const std::function<CallMeter*(std::string_view name)>& meter_of);
  CallMeter* unknown_meter() const { return unknown_meter_; }  // null: they are not counted

 private:
  std::vector<Entry> entries_;
  Unknown unknown_;
  CallMeter* unknown_meter_ = nullptr;
};

}  // namespace pyember::mcp
