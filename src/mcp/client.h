#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mcp/errors.h"
#include "mcp/json.h"
#include "mcp/json_rpc.h"
#include "mcp/outgoing_message.h"
#include "mcp/parameter_headers.h"
#include "mcp/protocol.h"

namespace pyember::mcp {

// Why a request has no result.
struct ClientError {
  enum class Kind {
    Rpc,        // the server answered with an error: `code`, `message` and `data` are its own
    Protocol,   // its answer breaks the rules; `message` says how
    TooLarge,   // its answer is above our bounds
    NotSent,    // it never reached the server
    Transport,  // the transport could not bring an answer; `message` is the transport's: a clause
                // about the server, or whole sentences (then it ends with a full stop)
  };
  Kind kind = Kind::Protocol;
  std::string message;
  int code = 0;
  Json data;
};

// A result as it came, or why there is none.
struct ClientAnswer {
  Json result;
  std::optional<ClientError> error;
};

struct ClientSettings {
  std::string version;         // ours, told to the server
  bool over_http = false;      // else over a pipe of its own
  bool try_handshake = false;  // the last connection was one of the handshake eras
  // Declared to the server: which questions of its own are answered ("elicitation", "sampling",
  // "roots", in the protocol's form).
  Json capabilities = Json::object();
};

// What a server wants to know in the middle of a request.
struct ClientAsked {
  std::int64_t question = 0;  // for answer_question()
  std::int64_t handle = 0;    // of the request it belongs to; 0: the handshake era does not say
  std::string method;         // "elicitation/create", "sampling/createMessage" or "roots/list"
  Json params;                // as they came; an object
};

// The client's side of the protocol for one connection, of both eras: JSON texts in, messages out.
// No threads, clock or descriptors: the owner carries the messages, and says when time is up.
//
// It asks with server/discover first; a server that does not know it gets an initialize. Nothing
// the server says is trusted: texts are parsed within bounds, types are checked, lists are bounded,
// and what makes no sense is told to the owner and otherwise ignored. What the server asks is told
// to the owner where its capability was declared, and else refused, but for ping.
//
// Callbacks come out of receive() and the other functions that tell what happened. They may call
// request() and cancel(), and must not destroy the client.
class Client {
 public:
  class Owner {
   public:
    virtual void client_sends(OutgoingMessage message) = 0;
    // The answer of request `id` is not wanted any more, on the transport either.
    virtual void client_abandons(std::int64_t id) = 0;
    // Requests can be made from now on (again, after a session was lost).
    virtual void client_is_ready() = 0;
    // The server can't be spoken to: `why` is a clause about it, or whole sentences, for people.
    // Requests in flight have been answered. Nothing comes afterwards.
    virtual void client_failed(const std::string& why) = 0;
    virtual void client_sees_tools_changed() = 0;
    // The stream that tells of changes has ended (modern era); listen() asks for another.
    virtual void client_stopped_listening() = 0;
    // This came and is no message.
    virtual void client_cannot_read(std::string_view text) = 0;
    // The server asks, and waits for answer_question(), now or later. Only where a capability was
    // declared.
    virtual void client_is_asked(ClientAsked) {}
    // It does not want to know any more; an answer would be ignored.
    virtual void client_is_asked_no_more(std::int64_t /*question*/) {}

   protected:
    ~Owner() = default;
  };

  using Done = std::function<void(ClientAnswer)>;
  using Progress = std::function<void(double, std::optional<double>, std::string_view)>;

  Client(ClientSettings settings, Owner& owner);

  // Begins to speak.
  void start();
  // The probe had its time: a server that is still silent gets an initialize.
  void probe_timed_out();

  // What the transport brings.
  void receive(std::string_view text);
  void request_failed(std::int64_t id, const Error& error);
  void session_lost(std::int64_t id);
  void could_not_send(std::int64_t id);

  bool ready() const { return state_ == State::Ready; }
  // `params` is an object. Only while ready(). `done` is called once, unless it is cancelled.
  std::int64_t request(std::string method, Json params, Done done, Progress progress = {});
  // All entries of a list that comes in pages, as {member: [entries]}.
  void list(std::string method, Done done);
  // What request() returned: the server is told, and `done` is not called. Others are ignored.
  void cancel(std::int64_t handle);
  void listen();  // for changes; does nothing where there is nothing to hear
  // What the server asked: the method's result, or an error, with which the request that it belongs
  // to ends (in the handshake era the server is told). Once; unknown questions are ignored.
  void answer_question(std::int64_t question, ClientAnswer answer);

  // Of a client that is ready. All are the server's own words, bounded and of the right type.
  Version version() const { return version_; }
  const Json& capabilities() const { return capabilities_; }
  const Json& server_info() const { return server_info_; }
  const std::string& instructions() const { return instructions_; }
  bool offers(std::string_view capability) const;
  std::size_t in_flight() const { return requests_.size() + interrupted_.size(); }

 private:
  enum class State { Idle, Probing, Initializing, Ready, Failed };

  struct Request {
    std::string method;
    Json params;
    Done done;
    Progress progress;
    std::int64_t handle = 0;  // what request() has returned: the first id it was sent under
    std::size_t rounds = 0;   // how often it was sent again because it was asked for
    bool sent_again = false;  // because the session was lost, or its headers were wrong
    Json inputs;              // what the server wants to know before it comes again
  };
  // One that comes again when its questions are answered.
  struct Interrupted {
    Request request;
    Json responses = Json::object();
    std::size_t missing = 0;
  };
  struct Question {
    std::int64_t handle = 0;  // of an interrupted request, with the key of the answer
    std::string key;
    RequestId asked_as;  // or the server's own request, in the handshake era
  };

  // client_handshake.cpp
  void probe();
  void initialize();
  void handle_discovered(ClientAnswer answer);
  bool accept_discovered(const Json& result);
  void refused_probe(const ClientError& error);
  void handle_initialized(ClientAnswer answer);
  void become_ready();
  void fail(const std::string& why);
  void take_description(const Json& result);

  // client.cpp
  std::int64_t send(std::string method, Json params, Request request);
  void write(std::int64_t id, const Request& request);
  void notify(std::string_view method, Json params);
  void handle(Json message);
  void handle_response(Json& message, std::int64_t id);
  void handle_notification(const std::string& method, const Json& params);
  void handle_progress(const Json& params);
  void handle_server_request(const std::string& method, const Json& id, Json params);
  void handle_unreadable(std::string_view text, const Error& error);
  void finish(std::int64_t id, ClientAnswer answer);
  std::optional<ClientAnswer> answer_of(Json& message, Request& request);
  std::optional<ClientAnswer> check_result(Json result, Request& request);
  void send_again(Request request);
  std::string request_text(std::int64_t id, const Request& request) const;

  // client_questions.cpp
  bool declared(std::string_view method, const Json& params) const;
  std::optional<ClientAnswer> take_inputs(Json result, Request& request);
  void interrupt(Request request);
  void go_on(std::int64_t handle);
  void drop_questions(std::int64_t handle);
  void take_question(const std::string& method, Json params, const RequestId& id);
  void take_back_question(const Json& id);
  void answer_request(const RequestId& id, ClientAnswer answer);

  // client_lists.cpp
  struct Listing;
  void ask_for_page(std::shared_ptr<Listing> listing);
  void take_page(const std::shared_ptr<Listing>& listing, ClientAnswer answer);
  void keep_parameter_headers(Json& tools);
  void retry_with_headers(Request request, ClientAnswer refusal);

  const ClientSettings settings_;
  Owner& owner_;
  State state_ = State::Idle;
  Version version_ = kModernVersion;
  std::int64_t last_id_ = 0;
  std::int64_t probe_id_ = 0;
  bool probed_again_ = false;
  std::string probe_failure_;       // what the transport said of it
  std::int64_t listen_id_ = 0;      // 0: not listening
  std::size_t received_bytes_ = 0;  // of the message that is looked at
  std::optional<Json> late_discovery_;
  std::unordered_map<std::int64_t, Request> requests_;
  std::vector<Request> again_;                       // when there is a session again
  std::map<std::int64_t, Interrupted> interrupted_;  // by handle
  std::map<std::int64_t, Question> questions_;
  std::int64_t last_question_ = 0;
  Json capabilities_ = Json::object();
  Json server_info_ = Json::object();
  std::string instructions_;
  std::string modern_meta_;  // of every request, without its closing brace
  std::map<std::string, std::vector<ParameterHeader>, std::less<>> headers_of_tools_;
};

}  // namespace pyember::mcp
