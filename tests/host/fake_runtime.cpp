#include "fake_runtime.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <sstream>
#include <utility>

namespace pyember::host {

namespace {

using Clock = std::chrono::steady_clock;

struct Pipe {
  int read_end = -1;
  int write_end = -1;

  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) abort();
    read_end = ends[0];
    write_end = ends[1];
    fcntl(read_end, F_SETFL, O_NONBLOCK);
  }
  ~Pipe() {
    close(read_end);
    close(write_end);
  }
  bool holds_bytes() const {
    int waiting = 0;
    ioctl(read_end, FIONREAD, &waiting);
    return waiting > 0;
  }
  void write_all(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t n = write(write_end, bytes.data(), bytes.size());
      if (n <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
};

class FakeSession final : public embed::Session {
 public:
  FakeSession(bool look_ahead, embed::SessionListener& listener)
      : look_ahead_(look_ahead), listener_(listener), thread_([this] { serve(); }) {}

  ~FakeSession() override {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    changed_.notify_all();
    // A flood may wait for a reader that has gone.
    while (!over_) {
      char drop[65536];
      if (read(out_.read_end, drop, sizeof drop) <= 0) std::this_thread::yield();
    }
    thread_.join();
    for (std::thread& each : later_) each.join();
  }

  void submit(embed::CellRequest request) override {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(request));
    changed_.notify_all();
  }

  bool withdraw(embed::CellNumber number) override {
    const std::lock_guard lock(mutex_);
    return std::erase_if(queue_, [&](const auto& cell) { return cell.number == number; }) > 0;
  }

  std::vector<embed::CellRequest> take_back() override {
    const std::lock_guard lock(mutex_);
    std::vector<embed::CellRequest> requests(std::make_move_iterator(queue_.begin()),
                                             std::make_move_iterator(queue_.end()));
    queue_.clear();
    held_back_ = false;
    return requests;
  }

  void interrupt(embed::CellNumber number) override {
    const std::lock_guard lock(mutex_);
    if (running_ != 0 && (number == 0 || number == running_)) interrupted_ = true;
    changed_.notify_all();
  }

  void output_drained(embed::CellNumber number) override {
    const std::lock_guard lock(mutex_);
    drained_ = number;
    changed_.notify_all();
  }

  void inspect(std::uint64_t ticket) override {
    const std::lock_guard lock(mutex_);
    inspect_ticket_ = ticket;
    changed_.notify_all();
  }

  void reset(std::uint64_t ticket) override {
    const std::lock_guard lock(mutex_);
    reset_ticket_ = ticket;
    if (running_ != 0) interrupted_ = true;
    changed_.notify_all();
  }

  std::optional<embed::RunningCell> running() const override { return std::nullopt; }
  std::int64_t memory_bytes() const override { return 1'000'000; }
  pid_t thread_id() const override { return 0; }
  int stdout_fd() const override { return out_.read_end; }
  int stderr_fd() const override { return err_.read_end; }
  void reading_output(bool) override { ++epoch_; }

 private:
  void serve() {
    std::unique_lock lock(mutex_);
    embed::CellNumber undrained = 0;
    while (!closing_) {
      if (reset_ticket_) {
        const std::uint64_t ticket = *std::exchange(reset_ticket_, std::nullopt);
        listener_.reset_finished(ticket);
      } else if (inspect_ticket_) {
        const std::uint64_t ticket = *std::exchange(inspect_ticket_, std::nullopt);
        listener_.names_ready(ticket, {{"x", "int", "", "5"}});
      } else if (!queue_.empty() && drained_ >= undrained && !held_back_ &&
                 (!only_carries_ || queue_.front().kind != embed::CellKind::Code)) {
        embed::CellRequest request = std::move(queue_.front());
        queue_.pop_front();
        running_ = request.number;
        if (request.begun != nullptr) *request.begun = 1;
        interrupted_ = false;
        lock.unlock();
        if (run(request)) undrained = request.number;
        lock.lock();
        running_ = 0;
        if (lost_) break;
      } else {
        changed_.wait(lock);
      }
    }
    over_ = true;
  }

  bool run(embed::CellRequest& request) {
    const std::uint64_t epoch = epoch_;
    embed::CellOutcome outcome;
    const auto begun = Clock::now();
    if (request.kind == embed::CellKind::Snapshot) {
      // c_str(): the path ends at the first zero byte, where an order goes on with texts.
      std::ofstream(request.code.c_str()) << state_ << " " << request.code;
    }
    if (request.kind == embed::CellKind::Restore) std::ifstream(request.code) >> state_;
    std::istringstream script(request.kind == embed::CellKind::Code ? request.code : "");
    std::string line;
    while (outcome.status == embed::Status::Completed && std::getline(script, line)) {
      step(line, begun + request.timeout, outcome);
    }
    outcome.elapsed = Clock::now() - begun;
    if (!outcome.needs_worker.empty()) {
      const std::lock_guard lock(mutex_);
      only_carries_ = held_back_ = true;
      outcome.code = std::move(request.code);
    }
    const bool has_output =
        epoch_ != epoch || epoch % 2 != 0 || out_.holds_bytes() || err_.holds_bytes();
    const bool lost = outcome.status == embed::Status::Lost;
    listener_.cell_finished(request.number, std::move(outcome), has_output);
    if (lost) {
      lost_ = true;
      listener_.session_lost("told to");
    }
    return has_output;
  }

  void step(const std::string& line, Clock::time_point deadline, embed::CellOutcome& outcome) {
    const std::size_t space = line.find(' ');
    const std::string command = line.substr(0, space);
    const std::string rest = space == std::string::npos ? "" : line.substr(space + 1);
    if (command == "print") {
      out_.write_all(rest + "\n");
    } else if (command == "error") {
      err_.write_all(rest + "\n");
    } else if (command == "flood") {
      out_.write_all(std::string(std::stoul(rest), 'x'));
    } else if (command == "result") {
      outcome.result = rest;
    } else if (command == "set") {
      state_ = rest;
    } else if (command == "state") {
      outcome.result = state_;
    } else if (command == "worker") {
      if (look_ahead_) outcome.needs_worker = rest;
    } else if (command == "raise") {
      outcome.status = embed::Status::Raised;
      outcome.error = embed::CellError{rest, "told to", "Traceback: " + rest};
    } else if (command == "lose") {
      outcome.status = embed::Status::Lost;
      outcome.error = embed::CellError{"SessionLost", rest, ""};
    } else if (command == "sleep") {
      sleep(std::chrono::milliseconds(std::stol(rest)), deadline, outcome);
    } else if (command == "later") {
      later(rest);
    }
  }

  void sleep(std::chrono::milliseconds duration, Clock::time_point deadline,
             embed::CellOutcome& outcome) {
    std::unique_lock lock(mutex_);
    const auto until = std::min(Clock::now() + duration, deadline);
    changed_.wait_until(lock, until, [this] { return interrupted_ || closing_; });
    if (interrupted_ || closing_) {
      outcome.status = embed::Status::Interrupted;
    } else if (until == deadline) {
      outcome.status = embed::Status::TimedOut;
    }
  }

  void later(const std::string& rest) {
    const std::size_t space = rest.find(' ');
    later_.emplace_back(
        [this, wait = std::chrono::milliseconds(std::stol(rest)), text = rest.substr(space + 1)] {
          std::this_thread::sleep_for(wait);
          out_.write_all(text + "\n");
        });
  }

  const bool look_ahead_;
  std::string state_;          // the session's thread only
  bool only_carries_ = false;  // the same
  bool held_back_ = false;     // as SessionCore::held_back
  embed::SessionListener& listener_;
  Pipe out_;
  Pipe err_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<embed::CellRequest> queue_;
  embed::CellNumber running_ = 0;
  embed::CellNumber drained_ = 0;
  std::optional<std::uint64_t> inspect_ticket_;
  std::optional<std::uint64_t> reset_ticket_;
  bool interrupted_ = false;
  bool closing_ = false;
  bool lost_ = false;
  std::atomic<bool> over_{false};
  std::atomic<std::uint64_t> epoch_{0};
  std::vector<std::thread> later_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<embed::Session> FakeRuntime::open_session(embed::SessionOptions options,
                                                          embed::SessionListener& listener) {
  ++sessions_opened;
  return std::make_unique<FakeSession>(options.look_ahead, listener);
}

embed::RuntimeHealth FakeRuntime::health() const {
  const std::lock_guard lock(mutex);
  return told;
}

}  // namespace pyember::host
