#include "host/upstream/policy/call_guard.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "base/utf8.h"
#include "host/loop/uv_handle.h"
#include "host/upstream/policy/canonical_json.h"

// A topic is what a run has to ask about: a tool of a server, or a change of a server's tools. The
// calls that its open question is about are `asked`; those that came since are `next`, and are
// another topic when it is answered. Whoever is called back may check and cancel again, so a topic
// is taken out of the list, and the one that follows it put in, before anybody is.
namespace pyember::host {

using mcp::Answer;
using mcp::Json;

struct CallGuard::Waiting {
  std::uint64_t number = 0;
  std::string server;
  std::string name;       // of the tool, resource, prompt; empty: only a change is to be accepted
  std::string arguments;  // as questions show them
  std::string rule;       // that wants a question about the call itself; empty: none does
  Done done;
};

struct CallGuard::Topic {
  std::uint64_t number;
  Run run;
  std::string server;
  std::string name;    // as in Waiting; empty: the topic is a change
  std::string change;  // its id
  std::vector<Waiting> asked = {};
  std::vector<Waiting> next = {};
  std::weak_ptr<mcp::ToolCall> client = {};  // who shows the question
  std::uint64_t question = 0;                // its number there
  std::unique_ptr<Timer> deadline = {};
  CellClock::Hold hold = {};

  bool is(const Run& in_run, const Waiting& waiting, const std::string& about) const {
    return run == in_run && server == waiting.server && change == about &&
           (!about.empty() || name == waiting.name);
  }
  void withdraw() {
    if (const auto call = client.lock()) call->withdraw(question);
    deadline.reset();
  }
};

namespace {

constexpr std::size_t kShownNameCharacters = 120;
constexpr const char* kAll = "all";  // of the form: whether the answer is for the whole run

std::string shown(std::string_view text, std::size_t characters) {
  const std::string_view kept = utf8::head(text, characters);
  return utf8::repaired(kept) + (kept.size() < text.size() ? "…" : "");
}

// Arguments, as a question shows them: what is left out is told.
std::string shown_arguments(const std::string& json, std::size_t characters) {
  const std::string text = shown(json, characters);
  return text == json ? text : fmt::format("{} ({} bytes, not all shown)", text, json.size());
}

std::string called(std::string_view server, std::string_view name) {
  return fmt::format("{} of '{}'", shown(name, kShownNameCharacters),
                     shown(server, kShownNameCharacters));
}

Error refusal(std::string message) { return {ErrorCode::Unavailable, std::move(message)}; }

std::string in_file(const std::string& rule, const Policy& policy) {
  return fmt::format("{} in {}", rule, policy.source());
}

// What a change shows to who can't be asked about it in another way.
Error unaccepted(std::string_view what, const std::string& server, const ToolPins::Change& change) {
  return refusal(fmt::format(
      "{}, because the tools of '{}' are not those that were accepted:\n{}\nLook whether that is "
      "what you expect of it. If so, call runtime.accept_tools({}, \"{}\") and then the tool "
      "again; "
      "those that only read and have not changed can be called as before.",
      what, server, change.summary, mcp::to_json_text(Json(server)), change.id));
}

Json form_for(bool whole_run) {
  Json properties = Json::object();
  if (whole_run) {
    properties[kAll] = {{"type", "boolean"},
                        {"title", "Allow all further calls of this tool in this run"},
                        {"default", false}};
  }
  return {{"type", "object"}, {"properties", std::move(properties)}};
}

}  // namespace

CallGuard::CallGuard(EventLoop& loop, const Policy& policy, ToolPins& pins)
    : loop_(loop), policy_(policy), pins_(pins), alive_(std::make_shared<bool>(true)) {}

CallGuard::~CallGuard() = default;

// --- a call ------------------------------------------------------------------------------------

std::uint64_t CallGuard::check(const Run& run, const Call& call, Done done) {
  static const Json kNone;
  const PolicyDecision decision =
      policy_.decide(call.server, call.alias, call.subject, call.name,
                     call.annotations != nullptr ? *call.annotations : kNone);
  if (decision.action == PolicyAction::Deny) {
    done(refusal(fmt::format(
        "{} was not called, because the policy denies it ({}). Do without it, or have the user "
        "change that rule and start the server again.",
        called(call.server, call.name), in_file(decision.rule, policy_))));
    return 0;
  }
  const ToolPins::Change* change =
      call.subject == UpstreamSubject::Tool ? pins_.change(call.server) : nullptr;
  const bool blocked = change != nullptr && pins_.blocks(call.server, call.name);
  if (!blocked && decision.action == PolicyAction::Allow) {
    done({});
    return 0;
  }
  Waiting waiting;
  waiting.server = call.server;
  waiting.name = call.name;
  if (call.arguments != nullptr) {
    waiting.arguments =
        shown_arguments(mcp::to_json_text(*call.arguments), limits::kQuestionArgumentBytes);
  }
  if (decision.action == PolicyAction::Ask) waiting.rule = in_file(decision.rule, policy_);
  waiting.done = std::move(done);
  if (!blocked) return after_change(run, std::move(waiting));
  if (policy_.tool_changes(call.server, call.alias) == ToolChanges::Allow) {
    pins_.accept(call.server, std::string(change->id));
    return after_change(run, std::move(waiting));
  }
  const auto client = run->client.lock();
  if (run->refused_changes.contains(change->id) || !client || !client->can_ask()) {
    waiting.done(
        unaccepted(called(call.server, call.name) + " was not called", call.server, *change));
    return 0;
  }
  return wait_for(run, change->id, std::move(waiting));
}

// The server's tools are what they should be; what the policy asks for is left.
std::uint64_t CallGuard::after_change(const Run& run, Waiting&& waiting) {
  if (waiting.rule.empty() || run->allowed.contains({waiting.server, waiting.name})) {
    waiting.done({});
    return 0;
  }
  const auto client = run->client.lock();
  if (client && client->can_ask()) return wait_for(run, {}, std::move(waiting));
  waiting.done(refusal(fmt::format(
      "{} was not called, because the policy wants a person's yes to it ({}), and nobody can be "
      "asked: {}. {}, or have the user change that rule.",
      called(waiting.server, waiting.name), waiting.rule,
      client ? "this client shows no questions (it has no capability for elicitation)"
             : "no client waits for this run",
      client ? "Use a client that has it" : "Run the code in the foreground")));
  return 0;
}

std::uint64_t CallGuard::accept_tools(const Run& run, const std::string& server,
                                      const std::string& id, Done done) {
  const ToolPins::Change* change = pins_.change(server);
  if (change == nullptr) {
    done({});
    return 0;
  }
  if (change->id != id) {
    done(unaccepted(
        "Nothing was accepted: \"" + shown(id, kShownNameCharacters) + "\" is not what has changed",
        server, *change));
    return 0;
  }
  const auto client = run->client.lock();
  if (!client || !client->can_ask()) {
    pins_.accept(server, id);
    done({});
    return 0;
  }
  Waiting waiting;
  waiting.server = server;
  waiting.done = std::move(done);
  return wait_for(run, id, std::move(waiting));
}

void CallGuard::cancel(std::uint64_t check) {
  if (check == 0) return;
  const auto is_it = [check](const Waiting& waiting) { return waiting.number == check; };
  for (const std::unique_ptr<Topic>& topic : topics_) {
    if (std::erase_if(topic->next, is_it) > 0) return;
    if (std::erase_if(topic->asked, is_it) == 0) continue;
    if (topic->asked.empty()) {
      topic->withdraw();
      follow(*take(topic->number));
    }
    return;
  }
}

// --- questions -----------------------------------------------------------------------------------

std::uint64_t CallGuard::wait_for(const Run& run, const std::string& about, Waiting&& waiting) {
  if (waiting.number == 0) waiting.number = ++last_;
  const std::uint64_t number = waiting.number;
  const auto found = std::find_if(topics_.begin(), topics_.end(),
                                  [&](const auto& each) { return each->is(run, waiting, about); });
  if (found != topics_.end()) {
    // A change is one question, whoever waits for it.
    auto& list = about.empty() ? (*found)->next : (*found)->asked;
    list.push_back(std::move(waiting));
    return number;
  }
  topics_.push_back(std::make_unique<Topic>(
      Topic{++last_, run, waiting.server, about.empty() ? waiting.name : std::string(), about}));
  topics_.back()->asked.push_back(std::move(waiting));
  ask(*topics_.back());
  return number;
}

std::string CallGuard::message_of(const Topic& topic) const {
  if (!topic.change.empty()) {
    const ToolPins::Change* change = pins_.change(topic.server);
    return fmt::format(
        "The tools of the MCP server '{}' are not those that were accepted before:\n{}\nMay Python "
        "code call them?",
        topic.server, change != nullptr ? change->summary : "they have changed again");
  }
  std::string text = fmt::format("Python code in session '{}' wants to call {} (MCP server)",
                                 topic.run->session, called(topic.server, topic.name));
  if (topic.asked.size() == 1) {
    return fmt::format("{} with {}. Allow it?", text, topic.asked.front().arguments);
  }
  text += fmt::format(", {} times, with:", topic.asked.size());
  const std::size_t each = std::max<std::size_t>(
      80, limits::kQuestionArgumentBytes / std::max<std::size_t>(topic.asked.size(), 1));
  for (const Waiting& waiting : topic.asked)
    text += "\n- " + shown_arguments(waiting.arguments, each);
  return text + "\nAllow all of these?";
}

void CallGuard::ask(Topic& topic) {
  const std::uint64_t number = topic.number;
  const std::weak_ptr<bool> alive = alive_;
  const auto client = topic.run->client.lock();
  topic.client = client;
  const auto answer = [this, alive, number](Result<Answer> result) {
    if (alive.lock()) answered(number, std::move(result));
  };
  if (!client) return answer(refusal("The call that ran the code is over."));
  topic.hold = CellClock::Hold(topic.run->clock);
  topic.deadline = std::make_unique<Timer>(loop_, [this, number] { unanswered(number); });
  topic.deadline->start(limits::kQuestionDeadline);
  const std::uint64_t question =
      client->ask({message_of(topic), form_for(topic.change.empty())}, answer);
  for (const std::unique_ptr<Topic>& each : topics_) {
    if (each->number == number) each->question = question;
  }
}

// Null: it is gone.
std::unique_ptr<CallGuard::Topic> CallGuard::take(std::uint64_t number) {
  const auto found = std::find_if(topics_.begin(), topics_.end(),
                                  [number](const auto& each) { return each->number == number; });
  if (found == topics_.end()) return nullptr;
  std::unique_ptr<Topic> topic = std::move(*found);
  topics_.erase(found);
  return topic;
}

// Asks about the calls that have come while a topic's question was open.
void CallGuard::follow(Topic& before) {
  if (before.next.empty()) return;
  topics_.push_back(std::make_unique<Topic>(
      Topic{++last_, before.run, before.server, before.name, before.change}));
  topics_.back()->asked = std::exchange(before.next, {});
  ask(*topics_.back());
}

// The topic's timer calls this, and is not to be gone before it returns.
void CallGuard::unanswered(std::uint64_t number) {
  const std::unique_ptr<Topic> topic = take(number);
  if (!topic) return;
  if (const auto client = topic->client.lock()) client->withdraw(topic->question);
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limits::kQuestionDeadline);
  settle(*topic, refusal(fmt::format("Nobody answered within {} s.", seconds.count())));
}

void CallGuard::answered(std::uint64_t number, const Result<Answer>& answer) {
  if (const std::unique_ptr<Topic> topic = take(number)) settle(*topic, answer);
}

void CallGuard::settle(Topic& topic, const Result<Answer>& answer) {
  const bool yes = answer && answer.value().action == Answer::Action::Accept;
  if (yes && topic.change.empty()) {
    const auto all = answer.value().content.find(kAll);
    if (all != answer.value().content.end() && all->is_boolean() && all->get<bool>()) {
      topic.run->allowed.insert({topic.server, topic.name});
      for (Waiting& each : std::exchange(topic.next, {})) topic.asked.push_back(std::move(each));
    }
  }
  follow(topic);
  if (yes) return topic.change.empty() ? allowed(topic) : accepted(topic);
  refused(topic, !answer ? "a question about it got no answer: " + answer.error().message
                 : answer.value().action == Answer::Action::Decline
                     ? "the user said no"
                     : "the user closed the question without an answer");
}

void CallGuard::allowed(Topic& topic) {
  for (const Waiting& waiting : topic.asked) waiting.done({});
}

void CallGuard::accepted(Topic& topic) {
  const ToolPins::Change* change = pins_.change(topic.server);
  if (change != nullptr && !pins_.accept(topic.server, topic.change)) {
    const Error other = unaccepted("Nothing was called", topic.server, *change);
    for (const Waiting& waiting : topic.asked) waiting.done(other);
    return;
  }
  for (Waiting& waiting : topic.asked) {
    if (waiting.name.empty()) {
      waiting.done({});
    } else {
      after_change(topic.run, std::move(waiting));
    }
  }
}

void CallGuard::refused(Topic& topic, const std::string& why) {
  if (!topic.change.empty()) topic.run->refused_changes.insert(topic.change);
  for (const Waiting& waiting : topic.asked) {
    const std::string what = waiting.name.empty()
                                 ? fmt::format("The tools of '{}' were not accepted", topic.server)
                                 : called(waiting.server, waiting.name) + " was not called";
    const std::string wanted = topic.change.empty()
                                   ? fmt::format("the policy asks about it ({})", waiting.rule)
                                   : fmt::format("the tools of '{}' have changed", topic.server);
    waiting.done(refusal(fmt::format(
        "{}, because {} and {}. Do without it, or find out from the user what is wanted.", what,
        wanted, why)));
  }
}

}  // namespace pyember::host
