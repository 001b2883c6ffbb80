#include <fmt/format.h>

#include <memory>
#include <optional>
#include <utility>

#include "host/session/host_session.h"
#include "host/session/session_registry.h"

// A session that begins as a live copy of another, and one that goes back to a copy of itself.

namespace pyember::host {

void HostSession::begin_as_copy(HostSession& original, Copied copied) {
  begun_with_state_ = true;
  history_.add_from_json(original.history_.to_json());
  link_ = registry_.open_copied_link(
      *this, *this, original.link_->session(),
      [this, copied = std::move(copied)](Result<std::vector<std::string>> left) {
        // The files that came along are no news.
        if (products_.folder() != nullptr) products_.folder()->changed();
        copied(std::move(left));
      },
      link_id_);
  link_has_run_ = true;
}

void HostSession::when_settled(std::function<void()> callback) {
  settled_.push_back(std::move(callback));
  settle();
}

void HostSession::settle() {
  if (settled_.empty() || !held_.empty() || move_) return;
  for (const auto& callback : std::exchange(settled_, {})) callback();
}

std::size_t HostSession::copies_kept() const {
  SessionLink* link = link_ ? link_.get() : wreck_.get();
  if (plan_.undo == 0 || link == nullptr) return 0;
  return registry_.rooms().copies_kept(link->session());
}

void HostSession::when_free(std::function<void()> callback) {
  if (!link_ || !is_worker(plan_.room)) return callback();
  registry_.rooms().when_free(link_->session(), std::move(callback));
}

void HostSession::undo(std::size_t steps, UndoDone done) {
  SessionLink* link = link_ ? link_.get() : wreck_.get();
  if (busy()) return done(Error{ErrorCode::Unavailable, "a cell runs or waits in it"});
  if (plan_.undo == 0 || link == nullptr) {
    return done(Error{ErrorCode::NotFound, plan_.undo == 0 ? "it keeps no copies of earlier states"
                                                           : "it keeps no copy of an earlier one"});
  }
  // The copy may not have said yet that it is ready, and what it lacks.
  struct Answer {
    std::optional<embed::CellNumber> cell;
    std::optional<Result<std::vector<std::string>>> left;
    UndoDone done;
    void look() {
      if (!cell || !left) return;
      if (!*left) return done(left->error());
      done(Undone{*cell, left->take()});
    }
  };
  const auto answer = std::make_shared<Answer>(Answer{{}, {}, std::move(done)});
  const Result<embed::CellNumber> undone = registry_.rooms().undo(
      link->session(), steps, [answer](Result<std::vector<std::string>> left) {
        answer->left.emplace(std::move(left));
        answer->look();
      });
  if (!undone) return answer->done(undone.error());
  take_up_undone(undone.value());
  answer->cell = undone.value();
  answer->look();
}

void HostSession::take_up_undone(embed::CellNumber cell) {
  if (!link_) {
    link_ = std::move(wreck_);
    link_id_ = std::exchange(wreck_id_, 0);
    link_->speak(*this);
    std::erase(notices_, wreck_notice_);
  }
  home_thread_ = {};
  history_.forget_from(cell);
  registry_.state_gone(name_);  // a checkpoint would bring back what was undone
  idle_since_ns_ = now_ns();
}

// --- a session that was lost, of which copies live -----------------------------------------------

void HostSession::keep_wreck() {
  if (!link_ || copies_kept() == 0) return;
  drop_wreck();
  link_->silence();
  wreck_ = std::move(link_);
  wreck_id_ = link_id_;
  home_thread_ = {};
  runs_long_ = false;
}

void HostSession::drop_wreck() {
  if (wreck_) registry_.retire_link(std::move(wreck_), std::exchange(wreck_id_, 0));
}

}  // namespace pyember::host
