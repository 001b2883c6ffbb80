#include "mcp/questions.h"
#include "base/limits.h"
#include "base/random_hex.h"
#include "mcp/pending_call.h"
#include "mcp/presentation.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <utility>

// What calls ask of the client: of the person behind it, of its model, of itself.
//
// In the handshake era they are requests of ours, sent while the call's own goes on. In the modern
// era a server sends none: the call's request is answered with the questions (input_required), the
// call goes on without one, and the client calls again with the answers and the state it was given
// (PROTOCOL: MRTR-3). That state is the name of the waiting call, good for one use, with the time
// until which it waits, sealed together with the tool and the arguments (request_state.h): what the
// call stands for never leaves the server, and is only found again by who makes the same call.
//
// What is open is told to who keeps the protocol's state. A server that follows one that died takes
// questions back which nobody can hear the answer of, and knows the calls that are lost.
namespace pyember::mcp {
namespace {

constexpr std::size_t kNameBytes = 16;

Error client_gone() {
  return {ErrorCode::Unavailable,
          "Nobody can answer any more, because the client has closed its end. Ask again when "
          "there is one."};
}

Error too_many_waiting() {
  return {ErrorCode::LimitReached,
          fmt::format("Nobody was asked, because {} calls wait for answers already. Answer those "
                      "first.",
                      limits::kWaitingCalls)};
}

Error no_longer_asked() {
  return {ErrorCode::Unavailable,
          "The question got no answer, because the client has called again without the capability "
          "that it needs. Use a client that declares the same with each request."};
}

Error refused(const Json& error) {
  const auto message = error.is_object() ? error.find("message") : error.end();
  const bool told = error.is_object() && message != error.end() && message->is_string();
  return {
      ErrorCode::Unavailable,
      fmt::format("The question got no answer, because the client refused it ({}). Do without "
                  "the answer, or use a client that shows questions.",
                  told ? in_quotes(message->get_ref<const std::string&>()) : "without a reason")};
}

// Why a call's own end can't be told.
RpcError bad_state(std::string_view why) {
  return invalid_params(
      fmt::format("Invalid params: requestState can't be used, because {}. Send the call again "
                  "without it, or with the requestState and the arguments of the call that asked.",
                  why));
}

// Versions before that of addresses know no modes; the others take a form for granted.
std::string form_params(const InputRequest& question, Version version) {
  std::string params = is_modern(version) ? R"({"mode":"form","message":)" : R"({"message":)";
  append_json_string(params, question.message);
  params += R"(,"requestedSchema":)";
  append_json(params, question.requested_schema);
  params += '}';
  return params;
}

std::string address_params(const InputRequest& question, Version version) {
  std::string params = R"({"mode":"url","message":)";
  append_json_string(params, question.message);
  params += R"(,"url":)";
  append_json_string(params, question.url);
  if (!is_modern(version)) {
    params += fmt::format(R"(,"elicitationId":"{}")", random_hex(kNameBytes));
  }
  params += '}';
  return params;
}

std::string question_params(const InputRequest& question, Version version) {
  switch (question.kind) {
    case InputRequest::Kind::Form:
      return form_params(question, version);
    case InputRequest::Kind::Url:
      return address_params(question, version);
    case InputRequest::Kind::Sampling:
      return to_json_text(question.params);
    case InputRequest::Kind::Roots:
      break;
  }
  return "{}";
}

std::string key_of(const ToolCall::OpenQuestion& question) {
  return question.question->key.empty() ? fmt::format("q{}", question.number)
                                        : question.question->key;
}

// What a state of this call is sealed for.
RequestStates::Subject subject_of(const Tool& tool, std::size_t arguments_hash) {
  return {"tools/call", tool.name, arguments_hash};
}

// Of all questions that are open: those the client has, and then as many as may be shown.
std::vector<ToolCall::OpenQuestion> to_be_asked(ToolCall& call) {
  std::vector<ToolCall::OpenQuestion> questions = call.sent_questions();
  while (questions.size() < limits::kQuestionsAtOnce) {
    const auto next = call.take_question();
    if (!next) break;
    questions.push_back(*next);
  }
  return questions;
}

// As the last step of MurmurHash: sums of what comes out don't cancel.
std::size_t mixed(std::size_t seed, std::size_t value) {
  std::size_t bits = seed * 31 + value;
  bits = (bits ^ (bits >> 33)) * 0xff51afd7ed558ccdu;
  return bits ^ (bits >> 33);
}

}  // namespace

// The same for values that differ in the order of their members alone.
std::size_t structural_hash(const Json& value) {
  std::size_t hash = static_cast<std::size_t>(value.type());
  if (value.is_object()) {
    for (const auto& [name, member] : value.get_ref<const Json::object_t&>()) {
      hash += mixed(std::hash<std::string>()(name), structural_hash(member));
    }
  } else if (value.is_array()) {
    for (const Json& each : value) hash = mixed(hash, structural_hash(each));
  } else if (value.is_string()) {
    hash = mixed(hash, std::hash<std::string>()(value.get_ref<const std::string&>()));
  } else {
    hash = mixed(hash, std::hash<Json>()(value));
  }
  return hash;
}

std::string input_requests(ToolCall& call) {
  std::string requests;
  for (const ToolCall::OpenQuestion& each : to_be_asked(call)) {
    if (!requests.empty()) requests += ',';
    append_json_string(requests, key_of(each));
    requests += fmt::format(R"(:{{"method":"{}","params":{}}})", method_of(each.question->kind),
                            question_params(*each.question, kModernVersion));
  }
  return requests;
}

// By what is open each time: an answer may have others withdrawn.
void take_answers(ToolCall& call, const Json& responses, const std::function<bool()>& over) {
  if (!responses.is_object()) return;
  std::set<std::uint64_t> seen;
  const auto next = [&call, &seen]() -> std::optional<ToolCall::OpenQuestion> {
    for (const ToolCall::OpenQuestion& each : call.sent_questions()) {
      if (seen.insert(each.number).second) return each;
    }
    return std::nullopt;
  };
  while (!over()) {
    const auto question = next();
    if (!question) return;
    const auto response = responses.find(key_of(*question));
    if (response == responses.end()) continue;
    Result<Answer> answer = read_answer(*response, *question->question);
    if (answer) call.answer_question(question->number, std::move(answer));
  }
}

// --- asking ----------------------------------------------------------------------------------

void Connection::Impl::ask(PendingCall& pending) {
  if (ended_) return pending.call().refuse_questions(client_gone());
  if (is_modern(pending.from.context.version)) {
    ask_instead_of_answer(pending);
  } else {
    ask_beside(pending);
  }
}

// Those of a call's first request, to questions whose keys say what they ask: a client may know
// them from an earlier call. What else is in them is not looked at.
void Connection::Impl::take_early_answers(PendingCall& pending, const Json& responses) {
  if (!responses.is_object() || responses.empty()) return;
  Json known = Json::object();
  for (const ToolCall::OpenQuestion& each : to_be_asked(pending.call())) {
    const auto found = responses.find(each.question->key);
    if (!each.question->key.empty() && found != responses.end()) {
      known[each.question->key] = *found;
    }
  }
  pending.takes_answers = true;
  take_answers(pending.call(), known, [&pending] { return pending.over(); });
  pending.takes_answers = false;
}

// As a request of ours.
void Connection::Impl::ask_beside(PendingCall& pending) {
  auto shown = std::count_if(asked_.begin(), asked_.end(), [&pending](const auto& each) {
    return each.second.pending == &pending;
  });
  const auto most = static_cast<std::ptrdiff_t>(limits::kQuestionsAtOnce);
  for (; shown < most && !pending.over(); ++shown) {
    const auto next = pending.call().take_question();
    if (!next) break;
    const std::string name = random_hex(kNameBytes);
    asked_.emplace(name, AskedQuestion{&pending, *next});
    protocol_changed();
    responder_.request(pending.from.id, name, method_of(next->question->kind),
                       question_params(*next->question, pending.from.context.version));
  }
}

// As the answer to the call, which then waits to be made again.
void Connection::Impl::ask_instead_of_answer(PendingCall& pending) {
  if (!server_.waiting.make_room(server_.states.now()))
    return pending.call().refuse_questions(too_many_waiting());
  const auto taken = in_flight_.take(pending.from.id);
  const std::string requests = input_requests(pending.call());
  auto waiting = std::make_unique<WaitingCall>(random_hex(kNameBytes), pending.tool(),
                                               pending.arguments_hash(), pending.call());
  waiting->until = server_.states.now() + limits::kWaitingCallLifetime;
  const std::string state =
      server_.states.seal(waiting->state, subject_of(pending.tool(), pending.arguments_hash()));
  ToolCall::Options options;
  options.client = pending.from.context.client;
  options.trace = pending.from.context.trace;
  pending.call().move_to(*waiting, std::move(options));
  server_.waiting.add(std::move(waiting));
  protocol_changed();
  responder_.input_required(pending.from, requests, state);  // the last: it may end all of this
}

void Connection::Impl::withdraw(PendingCall& pending, std::uint64_t question) {
  const auto found = std::find_if(asked_.begin(), asked_.end(), [&](const auto& each) {
    return each.second.pending == &pending && each.second.question.number == question;
  });
  if (found == asked_.end()) return;
  const std::string name = found->first;
  asked_.erase(found);
  if (closing_ || ended_) return;
  protocol_changed();
  take_back(&pending.from.id, name, "the answer is not wanted any more");
  if (!pending.over()) ask_beside(pending);
}

void Connection::Impl::take_back(const RequestId* about, const std::string& name,
                                 std::string_view why) {
  responder_.notification(about, "notifications/cancelled",
                          fmt::format(R"({{"requestId":"{}","reason":"{}"}})", name, why));
}

// --- answers, handshake era ------------------------------------------------------------------

// To a question that is open; anything else is ignored.
void Connection::Impl::handle_response(Message&& message) {
  if (asked_.empty() || message.id.empty()) return;
  const Result<Json> id = parse_json(message.id.text());
  if (!id || !id.value().is_string()) return;
  const auto found = asked_.find(id.value().get_ref<const std::string&>());
  if (found == asked_.end()) return;
  const auto [pending, question] = asked_.extract(found).mapped();
  const auto kept = pending->shared_from_this();
  protocol_changed();
  Result<Answer> answer = message.result ? read_answer(*message.result, *question.question)
                                         : Result<Answer>(refused(message.failure));
  if (!pending->over()) ask_beside(*pending);
  if (pending->over()) return;
  // The last thing that is done with the call, which may be over by it.
  pending->call().answer_question(question.number, std::move(answer));
}

// --- answers, modern era ---------------------------------------------------------------------

// The call that `state` names goes on with this request. Answers the error itself.
void Connection::Impl::call_again(Request&& request, const Tool& tool, const Json& arguments,
                                  const Json& state) {
  const std::size_t hash = structural_hash(arguments);
  const auto opened =
      server_.states.open(state.is_string() ? state.get_ref<const std::string&>() : std::string(),
                          subject_of(tool, hash));
  if (const auto* refused = std::get_if<RequestStates::Refused>(&opened)) {
    return responder_.error(request.from, bad_state(refused->why));
  }
  const std::string& name = std::get<std::string>(opened);
  server_.waiting.give_up_late(server_.states.now());
  const WaitingCall* const found = server_.waiting.find(name);
  if (found == nullptr) {
    if (!server_.waiting.take_lost(name)) {
      return responder_.error(request.from,
                              bad_state("no call waits under it any more: it was used, or its call "
                                        "was given up"));
    }
    protocol_changed();
    return result_at_once(request.from, lost_call(tool, arguments));
  }
  if (!admit(request.from)) return;
  const std::unique_ptr<WaitingCall> waiting = server_.waiting.take(*found);
  if (waiting->call == nullptr) {
    protocol_changed();
    return answer_late(request.from, *waiting);
  }
  go_on(std::move(request), *waiting);
}

// The call was over before the answers came.
void Connection::Impl::answer_late(const Recipient& to, const WaitingCall& waiting) {
  if (!waiting.outcome) {
    return responder_.error(to, bad_state("the call that waited under it was cancelled"));
  }
  if (const auto* error = std::get_if<RpcError>(&*waiting.outcome)) {
    return responder_.error(to, *error);
  }
  result_at_once(to, std::get<ToolResult>(*waiting.outcome));
}

void Connection::Impl::go_on(Request&& request, const WaitingCall& waiting) {
  const ToolCall::Options options = options_for(request.from);
  const auto pending = std::make_shared<PendingCall>(*this, std::move(request.from), waiting.tool,
                                                     waiting.arguments_hash);
  ToolCall& call = *waiting.call;
  pending->attach(call);
  in_flight_.add(pending);
  call.move_to(*pending, options);
  protocol_changed();  // behind the mark that the request has begun
  const auto responses = request.params.find("inputResponses");
  pending->takes_answers = true;
  if (responses != request.params.end()) {
    take_answers(call, *responses, [&pending] { return pending->over(); });
  }
  pending->takes_answers = false;
  if (pending->over()) return;
  call.refuse_undeclared(no_longer_asked());
  if (pending->over()) return;
  if (call.has_questions()) return ask(*pending);
  watch_for_slowness(pending);
}

// --- the end ---------------------------------------------------------------------------------

// The client has closed its end: nobody answers, and nobody calls again.
void Connection::Impl::end_questions() {
  while (!asked_.empty()) asked_.begin()->second.pending->call().refuse_questions(client_gone());
  server_.waiting.cancel_all();
}

// --- after another server --------------------------------------------------------------------

void Connection::Impl::remember_questions(Json& state) const {
  for (const auto& [name, question] : asked_) state["asked"].push_back(name);
  server_.waiting.for_each_state(
      [&state](const std::string& name) { state["waiting"].push_back(name); });
  if (state.contains("waiting")) state["seal"] = server_.states.key();
}

void Connection::Impl::restore_questions(const Json& state) {
  const auto asked = state.find("asked");
  if (asked != state.end() && asked->is_array()) {
    for (const Json& name : *asked) {
      if (name.is_string())
        take_back(nullptr, name.get<std::string>(), "the server that asked has ended");
    }
  }
  const auto waiting = state.find("waiting");
  if (waiting == state.end() || !waiting->is_array()) return;
  for (const Json& name : *waiting) {
    if (name.is_string()) server_.waiting.add_lost(name.get<std::string>());
  }
  const auto seal = state.find("seal");
  if (seal != state.end() && seal->is_string()) server_.states.set_key(seal->get<std::string>());
}

}  // namespace pyember::mcp
