#pragma once

#include <memory>

#include "embed/interpreter_pool.h"
#include "embed/session.h"
#include "embed/session_core.h"

namespace pyember::embed {

// The handle the host holds; see session.h for who may call what.
class InProcessSession final : public Session {
 public:
  InProcessSession(InterpreterPool& pool, SessionOptions options, SessionListener& listener,
                   std::uint64_t serial);
  ~InProcessSession() override;

  void submit(CellRequest request) override;
  bool withdraw(CellNumber number) override;
  std::vector<CellRequest> take_back() override;
  void interrupt(CellNumber number) override;
  void move_deadline(CellNumber number, std::chrono::nanoseconds by) override;
  void output_drained(CellNumber number) override;
  void inspect(std::uint64_t ticket) override;
  void reset(std::uint64_t ticket) override;
  void checkpoint(CheckpointOrder order) override;
  void give_calls(const CallPipes* pipes) override;
  std::optional<RunningCell> running() const override;
  std::int64_t memory_bytes() const override;
  pid_t thread_id() const override;
  int stdout_fd() const override { return core_->pipes.read_end(1); }
  int stderr_fd() const override { return core_->pipes.read_end(2); }
  void reading_output(bool reading) override;

 private:
  const std::shared_ptr<SessionCore> core_;
};

}  // namespace pyember::embed
