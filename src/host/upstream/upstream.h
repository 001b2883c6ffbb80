#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "host/loop/uv_handle.h"
#include "host/upstream/later.h"
#include "host/upstream/upstream_connection.h"
#include "host/upstream/upstreams.h"

namespace pyember::host {

// One upstream through all its connections: started with the first request, shared by all, started
// again with the next request when it was lost, stopped when nothing was asked for long. Calls of
// tools that are in flight when it is lost are answered with that, for they may have been carried
// out; what was not sent yet, or may be asked twice, waits for the next start. Owned by Upstreams;
// loop's thread only.
//
// A start that failed is not tried again at once: until then requests fail with its error. A server
// that answers nothing between its crashes is started again with pauses too, for which requests
// wait.
class Upstream final : private UpstreamConnection::Owner {
 public:
  struct Ask {
    enum class What { Request, List, Start };
    What what = What::Request;
    std::string method;  // of a request or a list
    mcp::Json params;
    std::chrono::milliseconds timeout{0};
    mcp::Client::Progress progress;
    std::function<void(UpstreamAnswer)> done;
    UpstreamQuestions questions = {};
  };
  using ToolsListed =
      std::function<void(const UpstreamDefinition&, const mcp::Json& tools, double start_seconds)>;

  // All of them outlive it.
  Upstream(EventLoop& loop, const UpstreamDefinition& definition, const UpstreamSettings& settings,
           Later& later, const ToolsListed& tools_listed);

  void ask(std::uint64_t number, Ask ask);
  void cancel(std::uint64_t number);
  bool is_running() const { return state_ == State::Starting || state_ == State::Running; }
  mcp::Json describe() const;
  // Answers what waits with Kind::Cancelled; from then on nothing is started.
  void end(std::function<void()> done);

 private:
  enum class State { Stopped, Pausing, Starting, Running, Ending };

  struct Call {
    Ask ask;
    std::uint64_t deadline_ns = 0;
    std::int64_t sent_as = 0;  // the client's number; 0: not sent, or nothing to cancel
    bool sent = false;
    std::size_t tries = 0;                 // to send it, that did not bring it to the server
    std::size_t questions_open = 0;        // while there are any its time stands still …
    std::uint64_t questions_since_ns = 0;  // … from here on
  };
  // What the server wants to know in the middle of a call.
  struct Question {
    std::uint64_t call = 0;
    std::function<void()> take_back;  // empty: it is being asked
  };
  using Calls = std::map<std::uint64_t, Call>;  // in the order they came

  void connection_is_ready() override;
  void connection_failed(const std::string& why) override;
  void connection_sees_tools_changed() override;
  void connection_is_asked(mcp::ClientAsked asked) override;
  void connection_is_asked_no_more(std::int64_t question) override;

  void have_running();
  void connect();
  void send_waiting();
  void send(std::uint64_t number, Call& call);
  void finish(std::uint64_t number, mcp::ClientAnswer answer);
  void answer(Calls::iterator call, UpstreamAnswer answer);
  void fail_all(const std::function<UpstreamFailure(const Call&)>& failure);
  Calls::iterator asking_call(std::int64_t handle);
  void question_answered(std::int64_t number, Result<mcp::Json> answer);
  std::optional<Question> take_question(std::int64_t number);
  void drop_questions(std::optional<std::uint64_t> of_call);
  void start_has_failed(const std::string& why);
  void was_lost(const std::string& why);
  void disconnect();
  void disconnected();
  void list_tools();
  void take_tools(const mcp::ClientAnswer& answer);
  void answer_list(const mcp::ClientAnswer& answer);
  mcp::Json start_result() const;
  double start_seconds() const { return static_cast<double>(start_took_ns_) / 1e9; }
  void look_at_deadlines();
  void watch_deadline(const Call& call);
  void be_idle_from_now();

  EventLoop& loop_;
  const UpstreamDefinition& definition_;
  const UpstreamSettings& settings_;
  Later& later_;
  const ToolsListed& tools_listed_;

  State state_ = State::Stopped;
  std::unique_ptr<UpstreamConnection> connection_;
  Calls calls_;
  std::map<std::int64_t, Question> questions_;  // by the connection's numbers
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
  std::uint64_t next_deadline_ns_ = 0;  // what deadline_ waits for; 0: nothing
  Timer deadline_;
  Timer pause_;
  Timer idle_;
  Timer relist_;
  std::function<void()> ended_;  // of end()

  bool handshake_worked_ = false;
  bool listing_tools_ = false;
  bool list_again_ = false;            // when that has been done
  bool asking_ = false;                // inside ask()
  std::uint64_t last_number_ = 0;      // of what was asked
  std::uint64_t listing_answers_ = 0;  // up to this number: the latest listing of tools
  std::size_t starts_ = 0;
  std::size_t failed_starts_ = 0;  // one after the other
  std::size_t crashes_ = 0;        // with no answer in between
  std::string last_failure_;
  std::uint64_t not_before_ns_ = 0;  // when a start may be tried again
  std::uint64_t started_ns_ = 0;
  std::uint64_t start_took_ns_ = 0;
};

}  // namespace pyember::host
