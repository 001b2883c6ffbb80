#include "host/tools/race_call.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/utf8.h"
#include "host/session/race.h"
#include "host/tools/cell_answer.h"
#include "host/tools/install_lines.h"

namespace pyember::host {

using mcp::Json;

namespace {

constexpr std::string_view kBest = "best:";

Error not_run(const std::string& why) {
  return {ErrorCode::InvalidArgument, "Nothing was run: " + why};
}

bool is_flag(const Json& arguments, const char* name) {
  const auto found = arguments.find(name);
  return found != arguments.end() && found->is_boolean() && found->get<bool>();
}

Result<void> read_pick(const Json& arguments, RaceOrder& order) {
  const auto given = arguments.find("pick");
  if (given == arguments.end() || given->is_null()) return {};
  const std::string pick = given->get<std::string>();
  if (pick == "first_ok") return {};
  if (pick == "all") {
    order.pick = RaceOrder::Pick::All;
    return {};
  }
  const std::size_t from =
      pick.starts_with(kBest) ? pick.find_first_not_of(" \t\n", kBest.size()) : std::string::npos;
  if (from == std::string::npos) {
    return not_run(
        fmt::format("pick='{}' is not known. Give 'first_ok', 'all', or 'best:' with an "
                    "expression behind it, as in 'best:-error'.",
                    utf8::head(pick, 80)));
  }
  order.pick = RaceOrder::Pick::Best;
  order.expression = pick.substr(from);
  return {};
}

Result<void> read_codes(Json& code, RaceOrder& order) {
  if (code.is_string()) {
    order.codes.push_back(std::move(code.get_ref<std::string&>()));
  } else {
    for (Json& each : code) order.codes.push_back(std::move(each.get_ref<std::string&>()));
  }
  if (order.codes.empty()) return not_run("code is an empty list. Give a code for each candidate.");
  if (order.codes.size() > limits::kMaximumCandidates) {
    return not_run(
        fmt::format("{} candidates are more than the {} that can race at once. Race "
                    "them in groups.",
                    order.codes.size(), limits::kMaximumCandidates));
  }
  for (std::size_t at = 0; at < order.codes.size(); ++at) {
    if (order.codes[at].size() > limits::kMaximumCodeBytes) {
      return not_run(
          fmt::format("the code of candidate {} is {} bytes long and the limit is {}. "
                      "Put data into a file.",
                      at, order.codes[at].size(), limits::kMaximumCodeBytes));
    }
    std::unique_ptr<SessionWish> installs;
    if (auto taken = take_install_lines(order.codes[at], installs); !taken) return taken;
    if (installs && !installs->empty()) {
      return not_run(
          fmt::format("candidate {} installs packages, and those are the session's, not "
                      "a candidate's. Name them in dependencies.",
                      at));
    }
  }
  return {};
}

Result<RaceOrder> order_in(Json& arguments) {
  const auto code = arguments.find("code");
  if (!is_flag(arguments, "branch")) {
    return not_run(code->is_array()
                       ? "code is a list, and that is for candidates which race: set branch=true, "
                         "or send one string."
                       : "pick says which candidate of a race is adopted: set branch=true and give "
                         "the candidates as a list in code.");
  }
  if (is_flag(arguments, "background")) {
    return not_run("a race does not run in the background. Leave out background or branch.");
  }
  RaceOrder order;
  if (auto read = read_pick(arguments, order); !read) return read.error();
  if (auto read = read_codes(*code, order); !read) return read.error();
  return order;
}

// --- the answer ----------------------------------------------------------------------------------

double seconds(std::chrono::nanoseconds duration) {
  return static_cast<double>(duration.count() / 1000) / 1e6;
}

// As much of an output as its candidate has room for.
std::string excerpt_of(const OutputBuffer& buffer, std::size_t budget) {
  if (buffer.characters() <= budget && buffer.lost() == 0) {
    return buffer.read(0, static_cast<std::size_t>(buffer.size()));
  }
  const std::string head = buffer.head(budget / 2);
  const std::string tail = buffer.tail(budget - budget / 2);
  const std::uint64_t shown = utf8::count_characters(head) + utf8::count_characters(tail);
  return fmt::format("{}\n[... {} characters left out ...]\n{}", head, buffer.characters() - shown,
                     tail);
}

struct Printed {
  std::string out;
  std::string err;
};

Printed printed_by(const RaceResult& race, std::size_t at, embed::CellNumber number,
                   std::size_t budget) {
  const CellOutput* output = race.outputs[at]->find(number);
  if (output == nullptr) return {};
  return {excerpt_of(output->of(Stream::Stdout), budget - budget / 3),
          excerpt_of(output->of(Stream::Stderr), budget / 3)};
}

Json describe_changes(const NameChanges& changes) {
  return {{"new", changes.created},     {"rebound", changes.rebound}, {"deleted", changes.deleted},
          {"mutated", changes.mutated}, {"unknown", changes.unknown}, {"more", changes.more}};
}

Json describe(const RaceCandidate& candidate, std::size_t at, const Printed& printed) {
  const embed::CellOutcome& outcome = candidate.outcome;
  Json fields = {{"index", at},
                 {"status", embed::to_string(outcome.status)},
                 {"elapsed_seconds", seconds(outcome.elapsed)},
                 {"stdout", printed.out},
                 {"stderr", printed.err}};
  fields["result"] = outcome.result ? Json(*outcome.result) : Json(nullptr);
  fields["error"] = nullptr;
  if (outcome.error) {
    fields["error"] = {{"type", outcome.error->type},
                       {"message", outcome.error->message},
                       {"traceback", outcome.error->traceback}};
  }
  fields["changes"] = candidate.changes ? describe_changes(*candidate.changes) : Json(nullptr);
  if (candidate.value) fields["value"] = *candidate.value;
  if (!candidate.disqualified.empty()) fields["disqualified"] = candidate.disqualified;
  if (!outcome.notices.empty()) fields["notices"] = outcome.notices;
  return fields;
}

void append_names(std::string& text, const char* label, const std::vector<std::string>& names) {
  if (names.empty()) return;
  text += text.empty() ? "" : "; ";
  text += label;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i == 20) {
      text += fmt::format(" and {} more", names.size() - i);
      break;
    }
    text += (i == 0 ? ": " : ", ") + names[i];
  }
}

std::string in_words(const NameChanges& changes) {
  std::string text;
  append_names(text, "new", changes.created);
  append_names(text, "rebound", changes.rebound);
  append_names(text, "deleted", changes.deleted);
  append_names(text, "changed in place", changes.mutated);
  append_names(text, "not looked into", changes.unknown);
  return text.empty() ? "no names" : text;
}

void append_lines(std::string& text, std::string_view lines) {
  if (lines.empty()) return;
  text += lines;
  if (lines.back() != '\n') text += '\n';
}

void append_candidate(std::string& text, const RaceCandidate& candidate, std::size_t at,
                      const Printed& printed) {
  const embed::CellOutcome& outcome = candidate.outcome;
  text += fmt::format("[{}] {} in {:.3f} s", at, embed::to_string(outcome.status),
                      seconds(outcome.elapsed));
  if (candidate.value) text += fmt::format(", value {:g}", *candidate.value);
  if (!candidate.disqualified.empty()) text += ", disqualified: " + candidate.disqualified;
  text += '\n';
  append_lines(text, printed.out);
  if (!printed.err.empty()) append_lines(text, "[stderr]\n" + printed.err);
  if (outcome.result) append_lines(text, "[result] " + *outcome.result);
  if (outcome.error) {
    const embed::CellError& error = *outcome.error;
    append_lines(text, error.traceback.empty() ? fmt::format("{}: {}", error.type, error.message)
                                               : error.traceback);
  }
  if (candidate.changes) append_lines(text, "[changes] " + in_words(*candidate.changes));
}

std::string headline(const RaceResult& race, const embed::CellOutcome& outcome) {
  if (race.adopted) {
    return fmt::format("Candidate [{}] was adopted: the session is as it left it.\n",
                       *race.adopted);
  }
  if (outcome.error) return outcome.error->message + "\n";
  return "None was adopted (pick='all'): the session is as it was.\n";
}

mcp::ToolResult answer_for_race(CellEnd& end, std::size_t budget) {
  const RaceResult& race = *end.race;
  Excerpt whole;
  if (race.adopted) whole = make_excerpt(end.output, end.session, end.number, budget);
  mcp::ToolResult answer;
  answer.is_error = end.outcome.status != embed::Status::Completed;
  answer.structured = describe_outcome(end.session, end.number, end.outcome, whole, end.isolation,
                                       race.adopted ? end.products : nullptr);
  std::string text = headline(race, end.outcome);
  Json candidates = Json::array();
  const std::size_t share = budget / race.candidates.size();
  for (std::size_t at = 0; race.problem.empty() && at < race.candidates.size(); ++at) {
    const Printed printed = printed_by(race, at, end.number, share);
    candidates.push_back(describe(race.candidates[at], at, printed));
    append_candidate(text, race.candidates[at], at, printed);
  }
  answer.structured["candidates"] = std::move(candidates);
  answer.structured["adopted"] = race.adopted ? Json(*race.adopted) : Json(nullptr);
  for (const std::string& notice : end.outcome.notices) append_lines(text, "[notice] " + notice);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  answer.content.push_back(mcp::text_block(std::move(text)));
  if (!race.adopted) return answer;
  if (whole.cut()) append_output_links(answer.content, end.session, end.number, end.output, whole);
  if (end.products != nullptr) {
    append_products(answer.content, end.session, end.number, *end.products, budget);
  }
  return answer;
}

// Of one that never began, or lost its session, there are no candidates to tell of.
mcp::ToolResult answer_without_race(CellEnd& end, std::size_t budget) {
  mcp::ToolResult answer = answer_for(end, budget);
  answer.structured["candidates"] = Json::array();
  answer.structured["adopted"] = nullptr;
  return answer;
}

class RaceCall final : public CellObserver {
 public:
  RaceCall(std::shared_ptr<mcp::ToolCall> call, const RaceParts& parts)
      : call_(std::move(call)), parts_(parts) {
    if (call_->wants_progress()) feed_ = std::make_unique<ProgressFeed>(parts.ticker, call_);
  }

  void cell_output(Stream, std::string_view bytes) override {
    if (feed_) feed_->output(bytes);
  }

  void cell_ended(CellEnd end) override {
    if (feed_) feed_->flush();
    const std::size_t budget = parts_.settings.output_budget;
    mcp::ToolResult answer =
        end.race != nullptr ? answer_for_race(end, budget) : answer_without_race(end, budget);
    const bool linked = answer.content.size() > 1;
    call_->complete(std::move(answer));
    if (linked) parts_.registry.outputs_changed();
  }

 private:
  const std::shared_ptr<mcp::ToolCall> call_;
  const RaceParts parts_;
  std::unique_ptr<ProgressFeed> feed_;
};

}  // namespace

bool speaks_of_race(const Json& arguments) {
  const auto code = arguments.find("code");
  const auto pick = arguments.find("pick");
  return is_flag(arguments, "branch") || (pick != arguments.end() && !pick->is_null()) ||
         (code != arguments.end() && code->is_array());
}

void begin_race_call(const std::shared_ptr<mcp::ToolCall>& call, const RaceParts& parts,
                     const std::string& session, std::chrono::milliseconds timeout,
                     std::unique_ptr<SessionWish> wish) {
  Json arguments = call->take_arguments();
  Result<RaceOrder> order = order_in(arguments);
  if (!order) return call->complete(mcp::tool_error(order.error().message));
  order.value().timeout = timeout;
  CellSpec spec;
  spec.timeout = timeout;
  spec.wish = std::move(wish);
  spec.begun = call->begun_mark();
  spec.trace = call->trace();
  const Result<embed::CellNumber> number = parts.registry.race(
      session, std::move(spec), order.take(), std::make_unique<RaceCall>(call, parts));
  if (!number) return call->complete(mcp::tool_error(number.error().message));
  call->on_cancel([&registry = parts.registry, session, cell = number.value()] {
    registry.cancel(session, cell);
  });
}

void add_race_properties(Json& properties) {
  properties["code"] = {
      {"type", {"string", "array"}},
      {"items", {{"type", "string"}}},
      {"description",
       "Python source; the value of a last expression is the result. With branch a list"}};
  properties["branch"] = {
      {"type", "boolean"},
      {"description",
       fmt::format("race: each code of the list (up to {}) runs in parallel in a copy of the "
                   "session as it is",
                   limits::kMaximumCandidates)}};
  properties["pick"] = {
      {"type", "string"},
      {"description",
       "which candidate becomes the session: 'first_ok' (default), 'best:EXPRESSION' (greatest "
       "number), 'all' (none)"}};
}

void add_race_fields(Json& output_properties) {
  output_properties["candidates"] = {
      {"type", "array"},
      {"items", {{"type", "object"}}},
      {"description", "of a race: status, output, result and the names each would have changed"}};
  output_properties["adopted"] = {{"type", {"integer", "null"}},
                                  {"description", "index of the candidate"}};
}

}  // namespace pyember::host
