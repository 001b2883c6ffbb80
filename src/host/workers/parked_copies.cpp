#include "host/workers/parked_copies.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace pyember::host {

// One copy. It stays here when it has died, so that steps go on counting cells.
class ParkedCopies::Copy final : private WorkerProcess::Owner {
 public:
  Copy(EventLoop& loop, WorkerProcess& worker, const ForkOrder& order, const OutputPipes& pipes,
       embed::CellNumber cell, const std::function<void()>& ended)
      : cell_(cell), ended_(ended) {
    WorkerProcess::Owner& owner = *this;
    process_ = std::make_unique<WorkerProcess>(loop, worker, order, pipes, owner);
  }

  embed::CellNumber cell() const { return cell_; }
  bool lives() const { return process_ && !process_->end(); }
  pid_t process() const { return lives() ? process_->pid() : 0; }
  std::string why_not() const {
    const bool told = process_ && process_->end() && !process_->end()->detail.empty();
    return told ? process_->end()->detail : why_not_;
  }

  std::unique_ptr<WorkerProcess> release() { return std::move(process_); }
  void forget_ended() {
    why_not_ = why_not();
    if (process_ && process_->end()) process_.reset();
  }

 private:
  void worker_ready() override {}
  void worker_done(CellDone&) override { process_->break_off("an outcome of no cell"); }
  void worker_names(WorkerNames&) override { process_->break_off("names that nobody asked for"); }
  void worker_forked() override {}
  void worker_ended() override { ended_(); }

  const embed::CellNumber cell_;
  const std::function<void()>& ended_;
  std::string why_not_ = "its copy has ended";
  std::unique_ptr<WorkerProcess> process_;
};

ParkedCopies::ParkedCopies(EventLoop& loop, std::function<void()> ended)
    : loop_(loop), ended_(std::move(ended)) {}

ParkedCopies::~ParkedCopies() = default;

void ParkedCopies::keep(std::size_t count) {
  keep_ = count;
  while (copies_.size() > keep_) copies_.pop_front();
}

bool ParkedCopies::wants(embed::CellNumber cell) const {
  return keep_ != 0 && (copies_.empty() || copies_.back()->cell() != cell);
}

void ParkedCopies::park(WorkerProcess& worker, const ForkOrder& order, const OutputPipes& pipes,
                        embed::CellNumber cell) {
  // First the oldest, so that there are never more than were asked for.
  if (copies_.size() >= keep_) copies_.pop_front();
  copies_.push_back(std::make_unique<Copy>(loop_, worker, order, pipes, cell, ended_));
}

Result<ParkedCopies::State> ParkedCopies::take_back(std::size_t steps) {
  if (steps == 0 || steps > copies_.size()) {
    return Error{ErrorCode::NotFound,
                 copies_.empty()
                     ? std::string("no copy of an earlier state is there")
                     : fmt::format("copies are there for {} cells only", copies_.size())};
  }
  const auto found = copies_.end() - static_cast<std::ptrdiff_t>(steps);
  if (!(*found)->lives()) {
    return Error{ErrorCode::Unavailable, fmt::format("the state before cell {} was not kept ({})",
                                                     (*found)->cell(), (*found)->why_not())};
  }
  State state{(*found)->cell(), (*found)->release()};
  copies_.erase(found, copies_.end());
  return state;
}

std::size_t ParkedCopies::size() const {
  return static_cast<std::size_t>(std::count_if(copies_.begin(), copies_.end(),
                                                [](const auto& copy) { return copy->lives(); }));
}

std::vector<pid_t> ParkedCopies::processes() const {
  std::vector<pid_t> found;
  for (const auto& copy : copies_) {
    if (const pid_t pid = copy->process(); pid != 0) found.push_back(pid);
  }
  return found;
}

void ParkedCopies::forget_ended() {
  for (const auto& copy : copies_) copy->forget_ended();
}

void ParkedCopies::clear() { copies_.clear(); }

}  // namespace pyember::host
