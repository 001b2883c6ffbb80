#include "host/session/host_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "base/utf8.h"
#include "host/session/race.h"
#include "host/session/session_registry.h"

namespace pyember::host {

namespace {

constexpr std::uint64_t kNsPerMs = 1'000'000;

embed::CellOutcome unrun(embed::Status status, const std::string& why) {
  embed::CellOutcome outcome;
  outcome.status = status;
  const char* type = status == embed::Status::Lost ? "SessionLost" : "CellWithdrawn";
  outcome.error = embed::CellError{type, why, {}};
  return outcome;
}

// The first clause of a reason, for use inside another sentence.
std::string in_brief(std::string_view reason) {
  for (const std::string_view end : {", so ", ". ", "; ", "\n"}) {
    reason = reason.substr(0, reason.find(end));
  }
  while (!reason.empty() && reason.back() == '.') reason.remove_suffix(1);
  return std::string(utf8::head(reason, 300));
}

}  // namespace

HostSession::HostSession(std::string name, embed::CellNumber first, SessionPlan plan,
                         SessionRegistry& registry)
    : name_(std::move(name)),
      registry_(registry),
      outputs_(registry.settings().held_output_bytes),
      plan_(std::move(plan)),
      first_number_(first),
      next_number_(first),
      log_entry_(registry_.settings().log, name_, first, registry_.settings().owner),
      idle_since_ns_(now_ns()) {}

HostSession::~HostSession() {
  race_.reset();
  forget_held();
  drop_link();
  drop_wreck();
}

std::int64_t HostSession::memory_bytes() const {
  return (link_ ? link_->session().memory_bytes() : 0) +
         (wreck_ ? wreck_->session().memory_bytes() : 0);
}

// --- cells -----------------------------------------------------------------------------------

Result<embed::CellNumber> HostSession::submit(CellSpec spec,
                                              std::unique_ptr<CellObserver> observer) {
  if (seed_) begin_now();
  std::optional<SessionPlan> plan;
  if (spec.wish) {
    Result<SessionPlan> changed = plan_with(*spec.wish);
    if (!changed) return changed.error();
    if ((!link_ && held_.empty()) || !same_session(changed.value(), planned())) {
      plan = changed.take();
    }
  }
  const embed::CellNumber number = next_number_++;
  log_entry_.count(next_number_);
  Cell& cell = cells_.emplace_back();
  cell.number = number;
  cell.timeout = spec.timeout;
  cell.kind = spec.kind;
  cell.code_excerpt = excerpt_of(spec.kind, spec.code);
  cell.background = spec.background;
  if (spec.kind == embed::CellKind::Code) cell.code = spec.code;
  cell.observer = std::move(observer);
  cell.servers = std::move(spec.servers);
  cell.trace = std::move(spec.trace);
  if (cells_.size() == 1) cell.running_since_ns = busy_since_ns_ = now_ns();
  embed::CellRequest request{number, std::move(spec.code), spec.timeout, spec.kind};
  if (spec.wish && spec.wish->limited() && has_been_opened()) {
    request.limits = std::make_unique<const WorkerLimits>(spec.wish->limits);
  }
  request.begun = spec.begun;
  if (plan || !held_.empty() || move_) {
    hold(std::move(request), std::move(plan), std::move(spec.wish));
    return number;
  }
  if (!link_) open_link();
  if (cells_.size() == 1 && !runs_long_) registry_.cpus().dispatching(*this);
  link_->session().submit(std::move(request));
  return number;
}

// What runs, for people who ask meanwhile.
std::string HostSession::excerpt_of(embed::CellKind kind, std::string_view code) {
  if (kind == embed::CellKind::Snapshot) return "(the session's state is being saved)";
  if (kind == embed::CellKind::Restore) return "(a saved state is being restored)";
  return std::string(utf8::head(code, limits::kCodeExcerptCharacters));
}

std::deque<Cell>::iterator HostSession::cell_at(embed::CellNumber number) {
  return std::find_if(cells_.begin(), cells_.end(),
                      [number](const Cell& each) { return each.number == number; });
}

Cell HostSession::take_out(std::deque<Cell>::iterator cell) {
  Cell taken = std::move(*cell);
  cells_.erase(cell);
  if (!cells_.empty() && cells_.front().running_since_ns == 0) {
    cells_.front().running_since_ns = now_ns();
  }
  return taken;
}

bool HostSession::withdraw(std::deque<Cell>::iterator cell, const std::string& why) {
  if (!withdraw_held(cell->number) && !(link_ && link_->session().withdraw(cell->number))) {
    return false;
  }
  finish_unrun(take_out(cell), embed::Status::Interrupted, why);
  advance();  // what was held behind it
  return true;
}

void HostSession::cancel(embed::CellNumber number) {
  const auto cell = cell_at(number);
  if (cell == cells_.end()) return;
  if (race_runs(number)) return race_->stop("The race was cancelled by its caller.");
  if (!withdraw(cell,
                "The cell was not run: its caller cancelled the call before its turn came. Send it "
                "again to run it.") &&
      link_) {
    link_->session().interrupt(number);
  }
}

embed::CellNumber HostSession::interrupt() {
  if (cells_.empty()) return 0;
  const embed::CellNumber number = cells_.front().number;
  if (race_runs(number)) {
    race_->stop("The race was interrupted.");
    return number;
  }
  // In front but not begun: the session is still being made.
  if (!withdraw(
          cells_.begin(),
          "The cell was not run: it was interrupted before it began. Send it again to run it.") &&
      link_) {
    link_->session().interrupt(number);
  }
  return number;
}

void HostSession::hold_back() {
  forget_held();
  if (link_) link_->session().take_back();
}

void HostSession::withdraw_waiting(const std::string& why) {
  // From the back, so that the session can't start one of them in between.
  std::vector<Cell> withdrawn;
  while (!cells_.empty() && (withdraw_held(cells_.back().number) ||
                             (link_ && link_->session().withdraw(cells_.back().number)))) {
    withdrawn.push_back(std::move(cells_.back()));
    cells_.pop_back();
  }
  for (auto cell = withdrawn.rbegin(); cell != withdrawn.rend(); ++cell) {
    finish_unrun(std::move(*cell), embed::Status::Interrupted, why);
  }
}

void HostSession::finish_unrun(Cell cell, embed::Status status, const std::string& why) {
  cell.code.clear();
  finish(std::move(cell), unrun(status, why));
}

void HostSession::finish(Cell cell, embed::CellOutcome outcome, const RaceResult* race) {
  last_ended_ = cell.number;
  add_notices(cell, outcome);
  if (cell.kind == embed::CellKind::Code) {
    ++cells_completed_;
    if (products_.cell_ended(cell.number, outcome)) registry_.outputs_changed();
    if (!cell.code.empty()) history_.add(cell.number, std::move(cell.code), outcome);
  }
  if (cell.background) {
    ended_.push_back({cell.number, outcome, plan_.room});
    if (ended_.size() > limits::kRememberedCells) ended_.pop_front();
  }
  if (cells_.empty()) {
    idle_since_ns_ = now_ns();
    runs_long_ = false;
  }
  if (cell.observer) {
    cell.observer->cell_ended(
        {name_, cell.number, outcome, outputs_.find(cell.number), plan_.room, &products_, race});
  }
}

void HostSession::add_notices(const Cell& cell, embed::CellOutcome& outcome) {
  outcome.notices.insert(outcome.notices.end(), cell.notices.begin(), cell.notices.end());
  for (std::string& notice : notices_) outcome.notices.push_back(std::move(notice));
  notices_.clear();
  const CellOutput* output = outputs_.find(cell.number);
  if (output != nullptr && output->begins_late) {
    outcome.notices.push_back(
        "The output begins with what the session printed after the cell before had ended; a line "
        "in brackets marks it.");
  }
}

// --- reset, inspect, end ---------------------------------------------------------------------

void HostSession::reset(ResetCallback done) {
  seed_.reset();
  registry_.state_gone(name_);
  withdraw_waiting(
      "The cell was not run: the session was reset while it was waiting for the cells before it. "
      "Send it again to run it in the empty session.");
  if (race_) race_->stop("The session was reset while its candidates raced.");
  if (move_) {  // its state was not to be kept anyway
    move_.reset();
    drop_link();
  }
  if (!link_) {
    drop_wreck();
    history_.clear();
    done("");
    return;
  }
  const std::uint64_t ticket = next_ticket_++;
  resets_.emplace(ticket, std::move(done));
  link_->session().reset(ticket);
}

void HostSession::inspect(NamesCallback done) {
  if (seed_) begin_now();
  if (busy() || !link_) {
    done(std::nullopt);
    return;
  }
  constexpr std::uint64_t kDeadline =
      static_cast<std::uint64_t>(limits::kInspectDeadline.count()) * kNsPerMs;
  const std::uint64_t ticket = next_ticket_++;
  inspections_.emplace(ticket, Inspection{now_ns() + kDeadline, std::move(done)});
  link_->session().inspect(ticket);
}

void HostSession::end(embed::Status status, const std::string& why) {
  race_.reset();
  if (link_) link_->read_what_is_left();
  forget_held();
  drop_link();
  drop_wreck();
  std::deque<Cell> cells = std::move(cells_);
  cells_.clear();
  for (Cell& cell : cells) finish_unrun(std::move(cell), status, why);
  answer_waiting_questions(why);
}

void HostSession::answer_waiting_questions(const std::string& reset_note) {
  auto inspections = std::move(inspections_);
  inspections_.clear();
  for (auto& [ticket, inspection] : inspections) inspection.done(std::nullopt);
  auto resets = std::move(resets_);
  resets_.clear();
  for (auto& [ticket, done] : resets) done(reset_note);
}

void HostSession::pump() {
  if (link_) link_->pump();
  if (race_) race_->pump();
}

void HostSession::tick(std::uint64_t now) {
  for (auto each = inspections_.begin(); each != inspections_.end();) {
    if (each->second.deadline_ns > now) {
      ++each;
      continue;
    }
    const NamesCallback done = std::move(each->second.done);
    each = inspections_.erase(each);
    done(std::nullopt);
  }
}

// --- the session below ---------------------------------------------------------------------------

void HostSession::open_link() {
  drop_wreck();
  link_ = registry_.open_link(*this, *this, link_id_);
  link_has_run_ = false;
}

void HostSession::drop_link() {
  if (!link_) return;
  link_->silence();
  registry_.retire_link(std::move(link_), link_id_);
  home_thread_ = {};
  runs_long_ = false;
}

void HostSession::lose(const std::string& reason) {
  const std::string why = in_brief(reason);
  lose_race(why);
  forget_held();
  keep_wreck();
  drop_link();
  std::deque<Cell> waiting = std::move(cells_);
  cells_.clear();
  // A session that never began has lost nothing, and what to do is what its whole reason says.
  const std::string unrun_reason =
      link_has_run_
          ? fmt::format(
                "The cell was not run: session '{}' was lost before its turn came ({}). Define "
                "again what the cell needs, then send it again.",
                name_, why)
          : fmt::format("The cell was not run. {}", reason);
  for (Cell& cell : waiting) finish_unrun(std::move(cell), embed::Status::Lost, unrun_reason);
  idle_since_ns_ = now_ns();
  answer_waiting_questions(
      "The session was lost while it was being reset and was replaced by a new, empty one.");
  wreck_notice_ = fmt::format(
      "Session '{}' was lost ({}) and has been replaced: this is a new interpreter, and names "
      "defined before are gone. Import and define again what you need.",
      name_, why);
  add_notice(wreck_notice_);
  settle();
}

void HostSession::link_output(Stream stream, std::string_view bytes) {
  if (cells_.empty()) {
    outputs_.append_late(next_number_, last_ended_, stream, bytes);
    return;
  }
  Cell& cell = cells_.front();
  outputs_.append(cell.number, stream, bytes);
  registry_.output_arrived(*this, cell.number, stream);
  if (cell.observer) cell.observer->cell_output(stream, bytes);
}

void HostSession::link_cell_finished(embed::CellNumber number, embed::CellOutcome outcome) {
  if (move_ && move_->number == number) return carried(std::move(outcome));
  if (!outcome.needs_worker.empty()) return needs_worker(number, std::move(outcome));
  link_has_run_ = true;
  const auto found = cell_at(number);
  if (found == cells_.end()) return;
  Cell cell = take_out(found);
  if (outcome.status != embed::Status::Lost) {
    finish(std::move(cell), std::move(outcome));
    if (!held_.empty()) advance();  // a race waits for the cells before it
    return;
  }
  // The cells behind it counted on a state that is gone: they are answered, not run.
  const std::string why =
      outcome.error ? outcome.error->message : fmt::format("cell {} ended it", number);
  if (copies_kept() != 0) {
    outcome.notices.push_back(
        "A copy of the state from before this cell lives: undo_session brings it back, as long as "
        "no other cell is run in the session.");
  }
  finish(std::move(cell), std::move(outcome));
  lose(why);
}

// The session keeps one ticket of each kind, the newest: its answer is for all that came before.
void HostSession::link_names_ready(std::uint64_t ticket, std::vector<embed::NameInfo> names) {
  std::vector<NamesCallback> answered;
  while (!inspections_.empty() && inspections_.begin()->first <= ticket) {
    answered.push_back(std::move(inspections_.begin()->second.done));
    inspections_.erase(inspections_.begin());
  }
  for (const NamesCallback& done : answered) done(names);
}

void HostSession::link_reset_finished(std::uint64_t ticket) {
  history_.clear();
  std::vector<ResetCallback> answered;
  while (!resets_.empty() && resets_.begin()->first <= ticket) {
    answered.push_back(std::move(resets_.begin()->second));
    resets_.erase(resets_.begin());
  }
  for (const ResetCallback& done : answered) done("");
}

void HostSession::link_folder_opened(int directory, const std::string& path) {
  SessionFolder* folder = products_.folder();
  if (folder == nullptr) return;
  if (const Result<void> moved = folder->move_to(directory, path); !moved) {
    add_notice(moved.error().message);
  }
}

std::shared_ptr<RunPermit> HostSession::link_permit(embed::CellNumber number) {
  const auto cell = cell_at(number);
  if (cell == cells_.end() || cell->kind != embed::CellKind::Code) return nullptr;
  auto permit = std::make_shared<RunPermit>();
  permit->principal = registry_.settings().principal;
  permit->session = name_;
  permit->cell = number;
  permit->servers = cell->servers;
  permit->saved_tools = registry_.settings().saved_tools;
  permit->trace = cell->trace;
  if (cell->observer) permit->client = cell->observer->client();
  return permit;
}

void HostSession::link_lost(std::string reason) { lose(reason); }

}  // namespace pyember::host
