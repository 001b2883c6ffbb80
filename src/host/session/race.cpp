#include "host/session/race.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "base/thread_affinity.h"
#include "mcp/json.h"

// A candidate is a session link with four requests: mark, code, value, changes. The first and the
// last two are questions of ours (python/mcp_runtime/questions.py); they have numbers far above
// those of cells, because a stop is told by a cell's number and must not hit them.
//
// The mark is answered before the code is sent. All copies are alike, so an expression that can't
// be compiled is known from the first answer, when no code has run anywhere.

namespace pyember::host {

using mcp::Json;

namespace {

constexpr embed::CellNumber kQuestions = embed::CellNumber{1} << 40;
constexpr embed::CellNumber kMark = kQuestions + 1;
constexpr embed::CellNumber kValue = kQuestions + 2;
constexpr embed::CellNumber kChanges = kQuestions + 3;

std::string question(const char* what, const Json& expression) {
  return mcp::to_json_text({{"what", what}, {"expression", expression}});
}

Json answer_in(const embed::CellOutcome& outcome) {
  if (outcome.status != embed::Status::Completed || !outcome.result) return nullptr;
  Result<Json> parsed = mcp::parse_json(*outcome.result);
  return parsed && parsed.value().is_object() ? parsed.take() : Json(nullptr);
}

std::string text_in(const Json& object, const char* name) {
  if (!object.is_object()) return {};
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::vector<std::string> names_in(const Json& object, const char* list) {
  std::vector<std::string> names;
  const auto found = object.find(list);
  if (found == object.end() || !found->is_array()) return names;
  for (const Json& each : *found) {
    if (each.is_string()) names.push_back(each.get<std::string>());
  }
  return names;
}

std::optional<NameChanges> changes_in(const Json& answer) {
  if (!answer.is_object()) return std::nullopt;
  NameChanges changes{names_in(answer, "new"), names_in(answer, "rebound"),
                      names_in(answer, "deleted"), names_in(answer, "mutated"),
                      names_in(answer, "unknown")};
  if (const auto more = answer.find("more"); more != answer.end() && more->is_number_unsigned()) {
    changes.more = more->get<std::size_t>();
  }
  return changes;
}

embed::CellOutcome without_end(embed::Status status, const char* type, const std::string& why) {
  embed::CellOutcome outcome;
  outcome.status = status;
  outcome.error = embed::CellError{type, why, {}};
  return outcome;
}

}  // namespace

// One copy and what it is asked.
class Race::Runner final : public SessionLink::Owner {
 public:
  Runner(Race& race, std::size_t at) : race_(race), at_(at) {
    link_ = race_.copies_.open(
        *this,
        [this, alive = std::weak_ptr<const bool>(race_.alive_)](
            const Result<std::vector<std::string>>& left) {
          if (!alive.expired()) copied(left);
        },
        id_);
    const RaceOrder& order = race_.result_.order;
    const bool best = order.pick == RaceOrder::Pick::Best;
    ask(kMark, question("mark", best ? Json(order.expression) : Json(nullptr)));
  }
  ~Runner() override { retire(); }

  std::size_t at() const { return at_; }
  bool ended() const { return ended_; }
  SessionLink* link() { return link_.get(); }
  RaceCandidate& candidate() { return race_.result_.candidates[at_]; }

  void run_code() {
    began_ns_ = now_ns();
    running_ = true;
    const RaceOrder& order = race_.result_.order;
    embed::CellRequest request{race_.number_, order.codes[at_], order.timeout};
    if (order.limits) request.limits = std::make_unique<const embed::UsageLimits>(*order.limits);
    link_->session().submit(std::move(request));
  }

  // What it was until now is all there is.
  void stop(const std::string& why) {
    if (ended_) return;
    ended_ = true;
    link_->read_what_is_left();
    if (!has_outcome_) {
      candidate().outcome = without_end(embed::Status::Interrupted, "CandidateStopped", why);
      if (began_ns_ != 0) {
        candidate().outcome.elapsed = std::chrono::nanoseconds(now_ns() - began_ns_);
      }
    }
    retire();
  }

  void retire() {
    if (!link_) return;
    link_->silence();
    race_.copies_.retire(std::move(link_), id_);
  }

  std::unique_ptr<SessionLink> take_link(std::uint64_t& id) {
    id = id_;
    return std::move(link_);
  }

 private:
  void ask(embed::CellNumber number, std::string question) {
    const auto deadline =
        number == kValue
            ? race_.result_.order.timeout
            : std::chrono::duration_cast<std::chrono::milliseconds>(limits::kAskDeadline);
    link_->session().submit({number, std::move(question), deadline, embed::CellKind::Ask});
  }

  void copied(const Result<std::vector<std::string>>& left) {
    if (ended_) return;
    if (!left) return lost(left.error().message);
    candidate().left = left.value();
    // It was forked from a process that may be held on the server's own CPU.
    if (const pid_t pid = link_->session().thread_id(); pid > 0) release_process_to_all_cpus(pid);
  }

  void lost(const std::string& why) {
    if (ended_ && race_.result_.adopted == at_) {
      race_.result_.adopted.reset();
      ended_ = false;
    }
    if (ended_) return;
    ended_ = true;
    if (!has_outcome_) {
      candidate().outcome = without_end(embed::Status::Lost, "CandidateLost", why);
    } else if (candidate().outcome.status == embed::Status::Completed) {
      // It can't be adopted any more.
      candidate().outcome.status = embed::Status::Lost;
      candidate().outcome.error = embed::CellError{"CandidateLost", why, {}};
    }
    retire();
    race_.candidate_ended(*this);
  }

  void code_ended(embed::CellOutcome outcome) {
    running_ = false;
    has_outcome_ = true;
    const embed::Status status = outcome.status;
    candidate().outcome = std::move(outcome);
    if (status == embed::Status::Lost) {
      ended_ = true;
      retire();
      return race_.candidate_ended(*this);
    }
    const RaceOrder& order = race_.result_.order;
    if (order.pick == RaceOrder::Pick::Best && status == embed::Status::Completed) {
      ask(kValue, question("value", order.expression));
    }
    ask(kChanges, question("changes", nullptr));
  }

  void valued(const embed::CellOutcome& outcome) {
    const Json answer = answer_in(outcome);
    if (answer.is_object()) {
      if (const auto value = answer.find("value"); value != answer.end() && value->is_number()) {
        candidate().value = value->get<double>();
        return;
      }
    }
    candidate().disqualified = text_in(answer, "problem");
    if (candidate().disqualified.empty()) {
      candidate().disqualified = fmt::format(
          "the expression {}", outcome.error ? "ended with " + outcome.error->type
                                             : std::string(embed::to_string(outcome.status)));
    }
  }

  void link_output(Stream stream, std::string_view bytes) override {
    if (!running_) return;
    race_.result_.outputs[at_]->append(race_.number_, stream, bytes);
    if (race_.told_.output) race_.told_.output(at_, bytes);
  }

  void link_cell_finished(embed::CellNumber number, embed::CellOutcome outcome) override {
    if (ended_) return;
    if (number == race_.number_) return code_ended(std::move(outcome));
    if (outcome.status == embed::Status::Lost) {
      return lost(outcome.error ? outcome.error->message : "its process ended");
    }
    if (number == kMark) return race_.marked(*this, text_in(answer_in(outcome), "problem"));
    if (number == kValue) return valued(outcome);
    candidate().changes = changes_in(answer_in(outcome));
    ended_ = true;
    race_.candidate_ended(*this);
  }

  void link_names_ready(std::uint64_t, std::vector<embed::NameInfo>) override {}
  void link_reset_finished(std::uint64_t) override {}
  void link_lost(std::string reason) override { lost(reason); }
  std::shared_ptr<RunPermit> link_permit(embed::CellNumber number) override {
    return running_ && number == race_.number_ && race_.told_.permit ? race_.told_.permit() : nullptr;
  }

  Race& race_;
  const std::size_t at_;
  std::unique_ptr<SessionLink> link_;
  std::uint64_t id_ = 0;
  std::uint64_t began_ns_ = 0;  // 0: its code has not been sent
  bool running_ = false;        // its code
  bool has_outcome_ = false;
  bool ended_ = false;
};

Race::Race(RaceOrder order, embed::CellNumber number, Copies copies, Told told)
    : number_(number), copies_(std::move(copies)), told_(std::move(told)), began_ns_(now_ns()) {
  const std::size_t count = order.codes.size();
  result_.order = std::move(order);
  result_.candidates.resize(count);
  for (std::size_t at = 0; at < count; ++at) {
    result_.outputs.push_back(std::make_unique<OutputStore>(limits::kRaceOutputBytes));
  }
  runners_.reserve(count);
  for (std::size_t at = 0; at < count; ++at) {
    runners_.push_back(std::make_unique<Runner>(*this, at));
  }
}

Race::~Race() = default;

std::chrono::nanoseconds Race::elapsed() const {
  return std::chrono::nanoseconds(now_ns() - began_ns_);
}

void Race::pump() {
  const std::weak_ptr<const bool> alive = alive_;
  for (std::size_t at = 0; at < runners_.size(); ++at) {
    if (SessionLink* link = runners_[at]->link()) link->pump();
    if (alive.expired()) return;
  }
}

void Race::stop(const std::string& why) { finish(why); }

void Race::marked(Runner& runner, const std::string& problem) {
  if (problem.empty()) return runner.run_code();
  result_.problem = problem;
  finish("Nothing was run.");
}

void Race::candidate_ended(Runner& runner) {
  if (over_) return;
  const bool ok = runner.candidate().outcome.status == embed::Status::Completed;
  if (ok && result_.order.pick == RaceOrder::Pick::FirstOk) {
    result_.adopted = runner.at();
    return finish("Another candidate ran to its end first, and was adopted; this one was stopped.");
  }
  const bool all_ended =
      std::all_of(runners_.begin(), runners_.end(), [](const auto& each) { return each->ended(); });
  if (!all_ended) return;
  if (result_.order.pick == RaceOrder::Pick::Best) choose_best();
  finish("");
}

// Of equal ones the first.
void Race::choose_best() {
  for (std::size_t at = 0; at < result_.candidates.size(); ++at) {
    const RaceCandidate& each = result_.candidates[at];
    if (each.outcome.status != embed::Status::Completed || !each.value) continue;
    if (!result_.adopted || *each.value > *result_.candidates[*result_.adopted].value) {
      result_.adopted = at;
    }
  }
}

void Race::finish(const std::string& why_stopped) {
  if (std::exchange(over_, true)) return;
  for (const auto& runner : runners_) runner->stop(why_stopped);
  told_.ended();  // we may be gone
}

RaceResult Race::take_result() { return std::move(result_); }

std::unique_ptr<SessionLink> Race::take_adopted(std::uint64_t& id) {
  return runners_[*result_.adopted]->take_link(id);
}

}  // namespace pyember::host
