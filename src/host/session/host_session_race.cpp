#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "host/session/host_session.h"
#include "host/session/race.h"
#include "host/session/session_registry.h"

// A race is one cell of its session: it has one number and stands in the queue like all others, in
// front of what the session is held back from meanwhile. The copy that wins takes the place of the
// session below; the one before is closed, with the processes it started.

namespace pyember::host {

namespace {

Error not_raced(const std::string& why) {
  return {ErrorCode::InvalidArgument, "Nothing was run: " + why};
}

// What the whole has come to, for those who look at no candidate.
embed::CellOutcome outcome_without_winner(const RaceResult& result) {
  embed::CellOutcome outcome;
  if (!result.problem.empty()) {
    outcome.status = embed::Status::Raised;
    outcome.error = embed::CellError{
        "ValueError",
        fmt::format("Nothing was run: the expression of pick can't be used ({}). Give one that "
                    "Python can evaluate in the session.",
                    result.problem),
        {}};
    return outcome;
  }
  const auto is = [&result](embed::Status status) {
    return std::any_of(
        result.candidates.begin(), result.candidates.end(),
        [status](const RaceCandidate& each) { return each.outcome.status == status; });
  };
  if (is(embed::Status::Interrupted)) {
    outcome.status = embed::Status::Interrupted;
    outcome.error = embed::CellError{
        "RaceStopped", "The race was stopped; the session is as it was before it.", {}};
  } else if (result.order.pick != RaceOrder::Pick::All) {
    outcome.status = embed::Status::Raised;
    const bool any_ok = is(embed::Status::Completed);
    outcome.error = embed::CellError{
        "NoCandidate",
        fmt::format(
            "No candidate was adopted: {}. The session is as it was before the race.",
            any_ok ? "none that ran to its end has a value to compare by" : "none ran to its end"),
        {}};
  }
  return outcome;
}

}  // namespace

Result<embed::CellNumber> HostSession::submit_race(CellSpec spec, RaceOrder order,
                                                   std::unique_ptr<CellObserver> observer) {
  if (seed_) begin_now();
  SessionWish nothing;
  Result<SessionPlan> planned = plan_with(spec.wish ? *spec.wish : nothing);
  if (!planned) return planned.error();
  SessionPlan plan = planned.take();
  if (plan.asked == Isolation::InProcess || plan.confinement.any()) {
    return not_raced(fmt::format(
        "session '{}' stays in the server's process ({}), and only a worker can be copied. Race in "
        "a session whose isolation is 'process' or 'auto'.",
        name_, plan.confinement.any() ? "it is confined" : "isolation='inprocess'"));
  }
  if (!is_worker(plan.room)) plan.room = Isolation::Process;
  if (spec.wish && spec.wish->limited() && has_been_opened()) order.limits = spec.wish->limits;
  const embed::CellNumber number = next_number_++;
  log_entry_.count(next_number_);
  Cell& cell = cells_.emplace_back();
  cell.number = number;
  cell.timeout = order.timeout;
  cell.code_excerpt = fmt::format("(a race of {}) {}", order.codes.size(),
                                  utf8::head(order.codes.front(), limits::kCodeExcerptCharacters));
  cell.observer = std::move(observer);
  if (cells_.size() == 1) cell.running_since_ns = busy_since_ns_ = now_ns();
  embed::CellRequest request;
  cells_.back().servers = std::move(spec.servers);
  cells_.back().trace = std::move(spec.trace);
  request.number = number;
  request.timeout = order.timeout;
  request.begun = spec.begun;
  held_.push_back({std::move(request), std::move(plan), std::move(spec.wish)});
  held_.back().race = std::make_unique<RaceOrder>(std::move(order));
  prepare_place(held_.back());
  advance();
  return number;
}

// Its turn among what is held: it begins when the cells before it are over.
void HostSession::begin_race(Held& held) {
  const embed::CellNumber number = held.request.number;
  if (race_ || cells_.front().number != number) return;
  if (held.request.begun != nullptr) held.request.begun->store(1, std::memory_order_relaxed);
  registry_.cpus().dispatching(*this);
  RaceOrder order = std::move(*held.race);
  race_ = std::make_unique<Race>(
      std::move(order), number,
      Race::Copies{[this](SessionLink::Owner& owner, Copied copied, std::uint64_t& id) {
                     return registry_.open_copy_link(*this, link_->session(), owner,
                                                     std::move(copied), id);
                   },
                   [this](std::unique_ptr<SessionLink> link, std::uint64_t id) {
                     registry_.retire_link(std::move(link), id);
                   }},
      Race::Told{[this](std::size_t, std::string_view output) {
                   if (cells_.front().observer) {
                     cells_.front().observer->cell_output(Stream::Stdout, output);
                   }
                 },
                 [this] { race_ended(); }, [this, number] { return link_permit(number); }});
}

bool HostSession::race_runs(embed::CellNumber number) const {
  return race_ && race_->number() == number;
}

// The session may be forking another copy just now: only when it has told of that one, and of those
// before, are they known to be nobody's children but the zygote's.
void HostSession::race_ended() {
  if (!race_->has_winner()) return close_race();
  registry_.rooms().when_free(link_->session(), [this, alive = race_->alive()] {
    if (!alive.expired()) close_race();
  });
}

void HostSession::close_race() {
  const std::unique_ptr<Race> race = std::move(race_);  // ends after us
  RaceResult result = race->take_result();
  embed::CellOutcome outcome = outcome_without_winner(result);
  std::string code;
  if (result.adopted) {
    const std::size_t winner = *result.adopted;
    RaceCandidate& candidate = result.candidates[winner];
    outcome = candidate.outcome;
    code = result.order.codes[winner];
    adopt(*race, *result.outputs[winner]);
    if (!candidate.left.empty()) {
      std::string left;
      for (const std::string& each : candidate.left) left += (left.empty() ? "" : "; ") + each;
      outcome.notices.push_back(
          fmt::format("The session is the candidate's copy now, which lacks: {}.", left));
    }
  }
  outcome.elapsed = race->elapsed();
  if (!held_.empty() && held_.front().request.number == race->number()) held_.pop_front();
  Cell cell = take_out(cells_.begin());
  cell.code = std::move(code);
  finish(std::move(cell), std::move(outcome), &result);
  advance();
}

// The winner's copy is the session from now on, and what it printed is the cell's output.
void HostSession::adopt(Race& race, const OutputStore& printed) {
  drop_link();
  link_ = race.take_adopted(link_id_);
  link_->set_owner(*this);
  link_has_run_ = true;
  if (plan_.undo != 0) registry_.rooms().keep_copies(link_->session(), plan_.undo);
  const CellOutput* output = printed.find(race.number());
  if (output == nullptr) return;
  for (const Stream stream : {Stream::Stdout, Stream::Stderr}) {
    const OutputBuffer& buffer = output->of(stream);
    const auto bring = [&](std::uint64_t from, std::uint64_t to) {
      while (from < to) {
        const std::string piece = buffer.read(from, limits::kReadChunkBytes);
        if (piece.empty()) return;
        outputs_.append(race.number(), stream, piece);
        from += piece.size();
      }
    };
    bring(0, buffer.head_size());
    bring(buffer.tail_start(), buffer.size());
  }
}

// The session that the candidates were copies of is gone, and so are they.
void HostSession::lose_race(const std::string& why) {
  if (!race_) return;
  race_.reset();
  Cell cell = std::move(cells_.front());
  cells_.pop_front();
  embed::CellOutcome outcome;
  outcome.status = embed::Status::Lost;
  outcome.error = embed::CellError{
      "SessionLost",
      fmt::format("The race was ended and no candidate adopted: session '{}' was lost meanwhile "
                  "({}). Define again what the candidates need, then race again.",
                  name_, why),
      {}};
  finish(std::move(cell), std::move(outcome));
}

}  // namespace pyember::host
