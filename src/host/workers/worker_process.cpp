#include "host/workers/worker_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/socket.h>

#include <array>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/limits.h"
#include "host/workers/memory_kills.h"

// A worker's end is told twice: its wire ends, and the zygote reports the exit. Only the second
// says why, so the first starts a wait for it. What the worker sent before it ended is read all the
// same, whichever comes first.

namespace pyember::host {

namespace {

constexpr const char* kOriginalEnded = "the session that it is a copy of ended meanwhile";

Descriptor copy_of(int descriptor) { return Descriptor(fcntl(descriptor, F_DUPFD_CLOEXEC, 3)); }

}  // namespace

WorkerProcess::WorkerProcess(EventLoop& loop, Zygote& zygote, const ForkOrder& order,
                             const OutputPipes& pipes, Owner& owner)
    : loop_(loop),
      zygote_(&zygote),
      owner_(&owner),
      memory_kills_before_(memory_kills()),
      room_(zygote.room()),
      groups_(loop, room_ ? WorkerLimits{} : order.limits),
      timer_(loop, [this] { time_is_over(); }) {
  auto descriptors = prepare(pipes);
  if (!descriptors) return;
  timer_.start(limits::kZygoteStartDeadline + limits::kWorkerStartDeadline);
  fork_id_ = zygote.fork_worker(grouped(order), std::move(*descriptors), *this);
}

WorkerProcess::WorkerProcess(EventLoop& loop, WorkerProcess& original, const ForkOrder& order,
                             const OutputPipes& pipes, Owner& owner)
    : loop_(loop),
      zygote_(original.zygote_),
      owner_(&owner),
      memory_kills_before_(memory_kills()),
      room_(original.room_),
      groups_(loop, room_ ? WorkerLimits{} : order.limits),
      timer_(loop, [this] { time_is_over(); }) {
  auto descriptors = prepare(pipes);
  if (!descriptors) return;
  timer_.start(limits::kWorkerStartDeadline);
  fork_id_ = original.fork_copy(grouped(order), std::move(*descriptors), *this);
}

// Makes the wire and what else both sides have; nothing when that fails, and it has ended.
std::optional<WorkerDescriptors> WorkerProcess::prepare(const OutputPipes& pipes) {
  std::array<int, 2> sockets{-1, -1};
  const bool paired = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()) == 0;
  Descriptor here(sockets[0]);
  WorkerDescriptors there;
  there[0] = Descriptor(sockets[1]);
  there[1] = pipes.copy_of_write_end(1);
  there[2] = pipes.copy_of_write_end(2);
  if (page_.valid()) there[3] = copy_of(page_.descriptor());
  if (crash_.valid()) there[4] = copy_of(crash_.descriptor());
  there[5] = calls_->take_session_calls();
  there[6] = calls_->take_session_answers();
  bool complete = paired;
  for (const Descriptor& each : there) complete = complete && each.valid();
  if (!complete) {
    finish({WorkerEnd::Kind::NotMade, 0, "the server's descriptors have run out (ulimit -n)", {}});
    return std::nullopt;
  }
  page_.close_descriptor();
  WorkerWire::Owner& owner_of_wire = *this;
  wire_ = std::make_unique<WorkerWire>(loop_, std::move(here), owner_of_wire);
  return there;
}

ForkOrder WorkerProcess::grouped(const ForkOrder& order) const {
  ForkOrder grouped = order;
  grouped.memory_group = groups_.memory_path();
  grouped.processes_group = groups_.processes_path();
  grouped.in_room = room_ != nullptr;
  return grouped;
}

WorkerProcess::~WorkerProcess() {
  drop_copy();
  if (zygote_ != nullptr) zygote_->forget(fork_id_);
}

void WorkerProcess::send(const std::string& header, std::string body) {
  if (wire_) wire_->send(header, std::move(body));
}

void WorkerProcess::read_now() {
  if (wire_) wire_->read_now();
}

std::uint64_t WorkerProcess::memory_kills_in_group() const {
  return room_ ? room_->memory_kills() : groups_.memory_kills();
}

void WorkerProcess::ask_to_stop(embed::CellNumber cell) {
  page_.stop_cell(cell);
  if (zygote_ != nullptr) zygote_->signal(fork_id_, SIGINT);
}

void WorkerProcess::break_off(const std::string& what) {
  finish({WorkerEnd::Kind::Broke, 0, what, {}});
}

void WorkerProcess::replace() {
  replaced_ = true;
  if (end_) return;
  if (zygote_ != nullptr) zygote_->signal(fork_id_, SIGKILL);
  wire_ended({});  // the wait begins, should anybody else hold the wire's other end
}

// --- copies of it ------------------------------------------------------------------------------

// It answers three times: that it waits for the descriptors, then that there is a copy or none; the
// copy says by its own wire that it is ready.
std::uint64_t WorkerProcess::fork_copy(const ForkOrder& order, WorkerDescriptors descriptors,
                                       Zygote::Child& child) {
  CHECK(ready_ && !end_ && !copy_ && zygote_ != nullptr);
  const std::uint64_t id = zygote_->expect_copy(child);
  copy_.emplace(Copy{id, std::move(descriptors)});
  timer_.start(limits::kWorkerStartDeadline);
  wire_->send(copy_header(order));
  return id;
}

void WorkerProcess::send_descriptors() {
  if (!copy_ || !copy_->descriptors.front().valid()) return break_off("it forks unasked");
  if (!wire_->send_descriptors(copy_->descriptors)) return break_off("it took no descriptors");
  for (Descriptor& each : copy_->descriptors) each.close();
}

void WorkerProcess::copy_made(pid_t pid) {
  if (!copy_) return break_off("it told of a copy that nobody asked for");
  if (zygote_ != nullptr) zygote_->adopt_copy(copy_->id, pid);
  copy_.reset();
  timer_.stop();
  owner_->worker_forked();
}

// It ends in the middle of it.
void WorkerProcess::drop_copy() {
  if (copy_ && zygote_ != nullptr) zygote_->no_copy(copy_->id, kOriginalEnded);
  copy_.reset();
}

void WorkerProcess::no_copy(const std::string& why) {
  if (!copy_) return break_off("it told of a copy that nobody asked for");
  if (zygote_ != nullptr) zygote_->no_copy(copy_->id, why);
  copy_.reset();
  timer_.stop();
  owner_->worker_forked();
}

// --- what it and the zygote say ------------------------------------------------------------------

void WorkerProcess::wire_frame(Frame& frame) {
  Result<WorkerMessage> read = read_worker_message(frame);
  if (!read) return break_off(read.error().message);
  if (replaced_) return;
  WorkerMessage& message = read.value();
  if (auto* done = std::get_if<CellDone>(&message)) {
    owner_->worker_done(*done);
  } else if (auto* names = std::get_if<WorkerNames>(&message)) {
    owner_->worker_names(*names);
  } else if (std::holds_alternative<WorkerForking>(message)) {
    send_descriptors();
  } else if (const auto* copy = std::get_if<WorkerForked>(&message)) {
    copy_made(copy->pid);
  } else if (const auto* failed = std::get_if<WorkerForkFailed>(&message)) {
    no_copy(failed->error);
  } else if (ready_) {
    break_off("it said twice that it is ready");
  } else {
    ready_ = true;
    left_ = std::move(std::get<WorkerReady>(message).left);
    timer_.stop();
    owner_->worker_ready();
  }
}

void WorkerProcess::wire_ended(const std::string& broken) {
  if (end_ || wire_over_) return;
  if (!broken.empty()) return break_off(broken);
  wire_over_ = true;
  wire_over_at_ = std::chrono::steady_clock::now();
  timer_.start(limits::kWorkerExitWait, limits::kWorkerExitWait);
}

void WorkerProcess::forked(const ProcessIdentity& process) {
  process_ = process;
  if (replaced_) zygote_->signal(fork_id_, SIGKILL);
}

void WorkerProcess::not_forked(const std::string& why) {
  zygote_ = nullptr;
  finish({WorkerEnd::Kind::NotMade, 0, why, {}});
}

void WorkerProcess::exited(const ExitReport& report) {
  // Its last words; an end of the wire begins no wait any more.
  wire_over_ = true;
  read_now();
  drop_copy();
  zygote_ = nullptr;
  finish(end_of(report));
}

WorkerEnd WorkerProcess::end_of(const ExitReport& report) const {
  if (report.signal) {
    WorkerEnd end{WorkerEnd::Kind::Signalled, *report.signal, {}, {}};
    end.over_memory_limit = *report.signal == SIGKILL && memory_kills_in_group() > 0;
    end.memory_ran_out = *report.signal == SIGKILL && memory_kills() > memory_kills_before_;
    return end;
  }
  if (!report.code) return {};
  if (!ready_) {
    return {WorkerEnd::Kind::NotMade,
            0,
            fmt::format("it ended with exit code {} before it was ready", *report.code),
            {}};
  }
  if (*report.code == kWireLostCode) return {WorkerEnd::Kind::WireClosed, 0, {}, {}};
  return {WorkerEnd::Kind::Exited, *report.code, {}, {}};
}

void WorkerProcess::zygote_lost(const std::string& why) {
  zygote_ = nullptr;
  finish({WorkerEnd::Kind::ZygoteLost, 0, why, {}});
}

void WorkerProcess::time_is_over() {
  if (copy_ && !wire_over_) return break_off("it did not fork in time");
  if (!wire_over_) {
    finish({WorkerEnd::Kind::NotMade, 0, "it did not get ready in time", {}});
    return;
  }
  // A zygote that is busy importing reports late.
  const auto waited = std::chrono::steady_clock::now() - wire_over_at_;
  const bool lives = process_.pid != 0 && is_alive(process_);
  if (lives && !replaced_) {
    finish({WorkerEnd::Kind::WireClosed, 0, {}, {}});
  } else if (waited >= limits::kWorkerReapWait) {
    finish({});
  }
}

void WorkerProcess::finish(WorkerEnd end) {
  if (end_) return;
  timer_.stop();
  if (wire_) wire_->close();
  drop_copy();
  if (end.kind == WorkerEnd::Kind::Signalled) end.crash_text = crash_.text();
  if (replaced_) end.kind = WorkerEnd::Kind::Replaced;
  if (Zygote* zygote = std::exchange(zygote_, nullptr)) zygote->forget(fork_id_);
  end_ = std::move(end);
  owner_->worker_ended();
}

}  // namespace pyember::host
