#include "host/session/session_link.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/limits.h"
#include "host/questions/cell_clock.h"

namespace pyember::host {

SessionLink::SessionLink(const Opener& open, Place place, Owner& owner, std::function<void()> wake)
    : owner_(&owner),
      loop_(place.loop),
      poster_(place.poster),
      wake_(std::move(wake)),
      chunk_(place.chunk),
      call_service_(place.calls) {
  session_ = open(*this);
  const auto watch = [&](Pipe& pipe, int fd, Stream stream) {
    pipe.fd = fd;
    pipe.stream = stream;
    pipe.poll = std::make_unique<Poll>(place.loop, fd, [this, &pipe](int) { readable(pipe); });
    pipe.poll->start(UV_READABLE);
  };
  watch(stdout_, session_->stdout_fd(), Stream::Stdout);
  watch(stderr_, session_->stderr_fd(), Stream::Stderr);
}

SessionLink::~SessionLink() {
  // The polls let go of the descriptors before the session closes them, and the session stops
  // calling before the queue it posts to is gone.
  stdout_.poll.reset();
  stderr_.poll.reset();
  alive_.reset();
  session_.reset();
  calls_.reset();  // later: a session's thread may be opening the pipes by their names
}

void SessionLink::speak(Owner& owner) {
  const std::lock_guard lock(mutex_);
  arrived_.clear();
  any_arrived_.store(false, std::memory_order_relaxed);
  owner_ = &owner;
}

void SessionLink::push(Event event) {
  bool first;
  {
    const std::lock_guard lock(mutex_);
    first = arrived_.empty();
    arrived_.push_back(std::move(event));
    any_arrived_.store(true, std::memory_order_release);
  }
  if (first) poster_.post(wake_);
}

void SessionLink::cell_finished(embed::CellNumber number, embed::CellOutcome outcome,
                                bool has_output) noexcept {
  push(CellFinished{number, std::move(outcome), has_output});
}

void SessionLink::names_ready(std::uint64_t ticket, std::vector<embed::NameInfo> names) noexcept {
  push(NamesReady{ticket, std::move(names)});
}

void SessionLink::reset_finished(std::uint64_t ticket) noexcept { push(ResetFinished{ticket}); }

// Only workers have a folder of their own, and they tell of it on the loop's thread.
void SessionLink::folder_opened(int directory, const std::string& path) noexcept {
  if (owner_ != nullptr) owner_->link_folder_opened(directory, path);
}

void SessionLink::calls_wanted() noexcept { push(CallsWanted{}); }

// Only workers have them from their beginning, and they tell of it on the loop's thread.
void SessionLink::calls_opened(std::shared_ptr<CallPipes> pipes) noexcept {
  if (call_service_ == nullptr) return;
  SessionCalls::Owner& owner = *this;
  calls_ = std::make_unique<SessionCalls>(loop_, std::move(pipes), *call_service_, owner, chunk_);
}

// Those of before, if any, were closed by the session.
void SessionLink::open_calls() {
  if (call_service_ == nullptr) return session_->give_calls(nullptr);
  auto pipes = std::make_shared<CallPipes>();
  if (!pipes->valid()) return session_->give_calls(nullptr);
  session_->give_calls(pipes.get());
  calls_opened(std::move(pipes));
}

embed::CellNumber SessionLink::running_cell() {
  const auto running = session_->running();
  return running ? running->number : 0;
}

std::shared_ptr<RunPermit> SessionLink::permit_for(embed::CellNumber cell) {
  std::shared_ptr<RunPermit> permit = owner_ != nullptr ? owner_->link_permit(cell) : nullptr;
  if (permit) {
    permit->clock = std::make_shared<CellClock>(
        [this, cell, alive = std::weak_ptr<const bool>(alive_)](std::chrono::nanoseconds by) {
          if (!alive.expired()) session_->move_deadline(cell, by);
        });
  }
  return permit;
}

void SessionLink::session_lost(std::string reason) noexcept { push(Lost{std::move(reason)}); }

void SessionLink::pump() {
  if (!any_arrived_.load(std::memory_order_acquire)) return;
  {
    const std::lock_guard lock(mutex_);
    std::swap(arrived_, handling_);
    any_arrived_.store(false, std::memory_order_relaxed);
  }
  for (Event& event : handling_) {
    if (owner_ == nullptr) break;
    handle(event);
  }
  handling_.clear();
}

void SessionLink::handle(Event& event) {
  if (auto* finished = std::get_if<CellFinished>(&event)) {
    if (finished->has_output) {
      deliver_piece();
      drain(stdout_);
      drain(stderr_);
      session_->output_drained(finished->number);
    }
    if (calls_) calls_->cell_ended(finished->number);
    if (owner_) owner_->link_cell_finished(finished->number, std::move(finished->outcome));
  } else if (auto* names = std::get_if<NamesReady>(&event)) {
    owner_->link_names_ready(names->ticket, std::move(names->names));
  } else if (auto* reset = std::get_if<ResetFinished>(&event)) {
    owner_->link_reset_finished(reset->ticket);
  } else if (std::holds_alternative<CallsWanted>(event)) {
    open_calls();
  } else if (auto* lost = std::get_if<Lost>(&event)) {
    owner_->link_lost(std::move(lost->reason));
  }
}

void SessionLink::deliver_piece() {
  if (owner_ && !piece_.empty()) owner_->link_output(piece_stream_, piece_);
  piece_ = {};
}

bool SessionLink::read_piece(Pipe& pipe, std::string_view& piece) {
  if (pipe.ended) return false;
  ssize_t n;
  do n = read(pipe.fd, chunk_.data(), chunk_.size());
  while (n < 0 && errno == EINTR);
  if (n > 0) {
    piece = std::string_view(chunk_.data(), static_cast<std::size_t>(n));
    return true;
  }
  if (n == 0 || errno != EAGAIN) {
    // The session closed its end. Without this the poll would come back for ever.
    pipe.ended = true;
    pipe.poll->stop();
  }
  return false;
}

void SessionLink::readable(Pipe& pipe) {
  for (std::size_t i = 0; i < limits::kOutputReadsPerTurn; ++i) {
    session_->reading_output(true);
    const bool got = read_piece(pipe, piece_);
    if (got) {
      piece_stream_ = pipe.stream;
      const bool full = piece_.size() == chunk_.size();
      pump();
      deliver_piece();
      session_->reading_output(false);
      if (!full || owner_ == nullptr) return;
    } else {
      session_->reading_output(false);
      return;
    }
  }
}

void SessionLink::drain(Pipe& pipe) {
  // What the cell wrote is in the pipe already; a thread it left behind may go on writing, so read
  // no more than is there now.
  int waiting = 0;
  if (pipe.ended || ioctl(pipe.fd, FIONREAD, &waiting) != 0) return;
  std::string_view piece;
  while (waiting > 0 && read_piece(pipe, piece)) {
    waiting -= static_cast<int>(piece.size());
    if (owner_) owner_->link_output(pipe.stream, piece);
  }
}

void SessionLink::read_what_is_left() {
  pump();
  drain(stdout_);
  drain(stderr_);
}

}  // namespace pyember::host
