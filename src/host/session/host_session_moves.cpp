#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/utf8.h"
#include "host/session/host_session.h"
#include "host/session/race.h"
#include "host/session/session_registry.h"
#include "host/session/session_rooms.h"

// How a session becomes what a cell asks for: an environment is made, its state moves to a worker.
// Meanwhile its cells are held, in their order.

namespace pyember::host {

namespace {

embed::CellOutcome not_possible(const std::string& why) {
  embed::CellOutcome outcome;
  outcome.status = embed::Status::Raised;
  outcome.error = embed::CellError{"DependencyError", why, {}};
  return outcome;
}

std::string moved_notice(const std::string& why) {
  return fmt::format("The session now runs in a worker process: {}.", why);
}

// "Installed: numpy 2.3.1, pandas 3.0.0; and 3 more that they need."
std::string installed_notice(const SessionWish& wish, const std::vector<std::string>& packages) {
  std::string asked;
  std::size_t others = 0;
  for (const std::string& each : packages) {
    const std::size_t equals = each.find("==");
    const std::string name = each.substr(0, equals);
    const auto is_it = [&](const std::string& dependency) {
      return package_name(dependency) == package_name(name);
    };
    const bool is_asked = std::any_of(wish.dependencies.begin(), wish.dependencies.end(), is_it) ||
                          std::any_of(wish.imported.begin(), wish.imported.end(), is_it);
    if (is_asked && equals != std::string::npos) {
      asked += fmt::format("{}{} {}", asked.empty() ? "" : ", ", name, each.substr(equals + 2));
    } else {
      ++others;
    }
  }
  if (asked.empty()) asked = "the packages that were asked for";
  return fmt::format("Installed: {}{}.", asked,
                     others == 0 ? "" : fmt::format(", and {} more in the session", others));
}

// Why packages could not be had, of the error for a cell that can't do without: on one line, short.
std::string reason_in(std::string_view error) {
  constexpr std::string_view kUv = "uv says:\n";
  constexpr std::string_view kUnrun = "The cell was not run: ";
  constexpr std::size_t kShownCharacters = 300;
  if (const auto said = error.find(kUv); said != std::string_view::npos) {
    error = error.substr(said + kUv.size());
    error = error.substr(0, error.find("\nNothing of the session"));
  } else if (error.starts_with(kUnrun)) {
    error.remove_prefix(kUnrun.size());
  }
  std::string text(utf8::head(error, kShownCharacters));
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text.ends_with('.') ? text : text + ".";
}

}  // namespace

void HostSession::hold(embed::CellRequest request, std::optional<SessionPlan> plan,
                       std::unique_ptr<SessionWish> wish) {
  held_.push_back({std::move(request), std::move(plan), std::move(wish)});
  if (held_.back().plan) prepare_place(held_.back());
  advance();
}

// What the session will be when all cells that are held have had their way.
const SessionPlan& HostSession::planned() const {
  for (auto held = held_.rbegin(); held != held_.rend(); ++held) {
    if (held->plan) return *held->plan;
  }
  return plan_;
}

Result<SessionPlan> HostSession::plan_with(const SessionWish& wish) {
  // Where a session runs is free until it has run anywhere.
  const bool never_run = !has_been_opened() && held_.empty();
  if (unused() || (never_run && wish.isolation)) {
    Result<SessionPlan> anew = registry_.new_session_plan(wish);
    if (!anew) return anew.error();
    plan_ = anew.take();
  }
  return changed_plan(name_, planned(), wish, !never_run);
}

// Plans anew what cells are held for, when one of them is gone.
void HostSession::plan_again() {
  const SessionPlan* before = &plan_;
  bool opened = has_been_opened();
  for (Held& held : held_) {
    if (!held.plan || !held.wish) continue;
    Result<SessionPlan> anew = changed_plan(name_, *before, *held.wish, opened);
    if (anew && !same_session(anew.value(), *held.plan)) {
      if (held.preparing != 0) registry_.rooms().cancel(std::exchange(held.preparing, 0));
      held.plan = anew.take();
      held.problem.clear();
      prepare_place(held);
    }
    before = &*held.plan;
    opened = true;
  }
}

void HostSession::prepare_place(Held& held) {
  SessionPlan& plan = *held.plan;
  if (!is_worker(plan.room)) return;
  if (same_packages(plan, plan_) && !plan_.place.python.empty()) {
    plan.place = plan_.place;
    return;
  }
  if (plan.dependencies.empty() && plan.python_version.empty()) {
    plan.place = registry_.rooms().own_place(boundary_of(plan.room));
    return;
  }
  const embed::CellNumber number = held.request.number;
  held.preparing = registry_.rooms().prepare(
      plan, [this, number](Result<PreparedPlace> place) { place_ready(number, std::move(place)); });
}

std::deque<HostSession::Held>::iterator HostSession::held_at(embed::CellNumber number) {
  return std::find_if(held_.begin(), held_.end(),
                      [number](const Held& each) { return each.request.number == number; });
}

void HostSession::place_ready(embed::CellNumber number, Result<PreparedPlace> place) {
  const auto held = held_at(number);
  if (held == held_.end()) return;
  held->preparing = 0;
  if (place) {
    PreparedPlace prepared = place.take();
    held->plan->place = std::move(prepared.place);
    held->plan->in_use = std::move(prepared.in_use);
    held->packages = std::move(prepared.packages);
    return advance();
  }
  if (held->wish && !held->wish->imported.empty()) {
    return do_without_imported(*held, place.error().message);
  }
  // Told when its turn comes: what it builds on may change until then.
  held->problem = place.error().message;
  advance();
}

// The cell runs, and says itself what it misses.
void HostSession::do_without_imported(Held& held, const std::string& why) {
  const std::vector<std::string> imported = std::exchange(held.wish->imported, {});
  std::string names;
  for (const std::string& each : imported) names += (names.empty() ? "" : ", ") + each;
  cell_at(held.request.number)
      ->notices.push_back(fmt::format(
          "The code imports {}, which could not be installed: {} A line `%pip install NAME` says "
          "more.",
          names, reason_in(why)));
  if (held.wish->not_had) held.wish->not_had(imported);
  plan_again();
  advance();
}

// A cell whose packages can't be had: those behind it must do without them.
void HostSession::fail_front() {
  const Held front = std::move(held_.front());
  held_.pop_front();
  Cell cell = take_out(cell_at(front.request.number));
  cell.code.clear();
  finish(std::move(cell), not_possible(front.problem));
  plan_again();
}

// Gives the session below every cell it is ready for.
void HostSession::advance() {
  while (!held_.empty() && !move_) {
    Held& front = held_.front();
    if (front.preparing != 0) return;
    if (!front.problem.empty()) {
      fail_front();
      continue;
    }
    if (front.plan && !become(front)) return;
    if (!link_) open_link();
    if (front.race) return begin_race(front);
    embed::CellRequest request = std::move(front.request);
    held_.pop_front();
    if (request.kind == embed::CellKind::Snapshot) tell_again(request);
    link_->session().submit(std::move(request));
  }
  settle();
}

// True: the session is what the cell's plan says. False: it is on its way there.
bool HostSession::become(Held& held) {
  SessionPlan plan = std::move(*held.plan);
  held.plan.reset();
  if (held.wish && !held.packages.empty()) {
    // Cells that run before it may not be over yet.
    cell_at(held.request.number)->notices.push_back(installed_notice(*held.wish, held.packages));
  }
  if (!link_) {
    plan_ = std::move(plan);
    return true;
  }
  if (plan_.room == Isolation::InProcess && is_worker(plan.room)) {
    const char* why = !plan.dependencies.empty()     ? "it was asked for packages"
                      : !plan.python_version.empty() ? "it was asked for another Python"
                      : held.race                    ? "candidates race in copies of it"
                      : plan.undo != plan_.undo      ? "copies of it are to be kept for undo"
                                                     : "it was given limits";
    begin_move(held.request.number, std::move(plan), why);
    return false;
  }
  if (is_worker(plan_.room) && !same_packages(plan, plan_)) {
    registry_.rooms().change_packages(link_->session(), plan.place);
  }
  if (plan.undo != plan_.undo) registry_.rooms().keep_copies(link_->session(), plan.undo);
  plan_ = std::move(plan);
  return true;
}

void HostSession::begin_move(embed::CellNumber number, SessionPlan plan, std::string why) {
  plan_.limits = plan.limits;
  plan_.place = std::move(plan.place);
  plan_.dependencies = std::move(plan.dependencies);
  plan_.resolved_on = std::move(plan.resolved_on);
  plan_.in_use = std::move(plan.in_use);
  plan_.python_version = std::move(plan.python_version);
  plan_.undo = plan.undo;
  move_.emplace();
  move_->number = number;
  move_->why = std::move(why);
  // Behind the cells that run before it.
  link_->session().submit(
      {number, move_->file.path(), registry_.settings().carry_timeout, embed::CellKind::Snapshot});
}

// A cell that was not run comes back, with those that were queued behind it.
void HostSession::needs_worker(embed::CellNumber number, embed::CellOutcome outcome) {
  const auto cell = cell_at(number);
  if (cell == cells_.end()) return;
  std::vector<embed::CellRequest> behind = link_->session().take_back();
  for (auto each = behind.rbegin(); each != behind.rend(); ++each) {
    held_.push_front({std::move(*each), std::nullopt, nullptr});
  }
  held_.push_front(
      {{number, std::move(outcome.code), cell->timeout, cell->kind}, std::nullopt, nullptr});
  SessionPlan plan = plan_;
  plan.place = registry_.rooms().own_place(Boundary::None);
  if (link_has_run_) return begin_move(number, std::move(plan), std::move(outcome.needs_worker));
  plan_ = std::move(plan);
  begin_anew_in_worker(outcome.needs_worker);
}

// It has no state that could be brought along.
void HostSession::begin_anew_in_worker(const std::string& why) {
  drop_link();
  plan_.room = Isolation::Process;
  add_notice(moved_notice(why));
  open_link();
  advance();
}

void HostSession::carried(embed::CellOutcome outcome) {
  const bool done = outcome.status == embed::Status::Completed;
  for (std::string& notice : outcome.notices) add_notice(std::move(notice));
  if (!move_->restoring) {
    if (!done) {
      add_notice(fmt::format(
          "The session's names could not be brought along ({}): define again what you need.",
          outcome.error ? outcome.error->message : embed::to_string(outcome.status)));
    }
    return open_moved(done);
  }
  if (outcome.status == embed::Status::Lost) {
    const std::string why = outcome.error ? outcome.error->message : "its worker ended";
    return lose(why);
  }
  if (!done) {
    add_notice(
        fmt::format("Not all of the session's names could be brought along ({}).",
                    outcome.error ? outcome.error->message : embed::to_string(outcome.status)));
  }
  move_.reset();
  advance();
}

void HostSession::open_moved(bool restore) {
  drop_link();
  plan_.room = Isolation::Process;
  add_notice(moved_notice(move_->why));
  open_link();
  if (!restore) {
    move_.reset();
    return advance();
  }
  move_->restoring = true;
  link_->session().submit({move_->number, move_->file.path(), registry_.settings().carry_timeout,
                           embed::CellKind::Restore});
}

void HostSession::forget_held() {
  for (const Held& held : held_) {
    if (held.preparing != 0) registry_.rooms().cancel(held.preparing);
  }
  held_.clear();
  move_.reset();
}

bool HostSession::withdraw_held(embed::CellNumber number) {
  if (race_runs(number)) return false;
  const auto held = held_at(number);
  if (held == held_.end()) return false;
  if (held->preparing != 0) registry_.rooms().cancel(held->preparing);
  held_.erase(held);
  plan_again();
  return true;
}

}  // namespace pyember::host
