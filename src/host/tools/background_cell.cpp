#include "host/tools/background_cell.h"

#include <utility>

#include "host/tools/cell_answer.h"

namespace pyember::host {

namespace {

struct CellAddress {
  SessionRegistry& sessions;
  std::string session;
  embed::CellNumber number = 0;

  const CellOutput* find() const {
    HostSession* found = sessions.find(session);
    return found == nullptr ? nullptr : found->outputs().find(number);
  }
};

// Looked up each time: the session may be closed, or drop the output, while somebody reads.
class CellJobOutput final : public JobOutput {
 public:
  explicit CellJobOutput(CellAddress cell) : cell_(std::move(cell)) {}

  std::uint64_t size(Stream stream) const override {
    const CellOutput* output = cell_.find();
    return output == nullptr ? 0 : output->of(stream).size();
  }
  std::string read(Stream stream, std::uint64_t offset, std::size_t limit) const override {
    const CellOutput* output = cell_.find();
    return output == nullptr ? std::string() : output->of(stream).read(offset, limit);
  }

 private:
  const CellAddress cell_;
};

class CellWork final : public JobWork {
 public:
  explicit CellWork(CellAddress cell) : cell_(std::move(cell)) {}

  void cancel() override { cell_.sessions.cancel(cell_.session, cell_.number); }
  std::unique_ptr<JobOutput> output() const override {
    return std::make_unique<CellJobOutput>(cell_);
  }

 private:
  const CellAddress cell_;
};

JobStatus job_status(embed::Status status) {
  switch (status) {
    case embed::Status::Completed:
      return JobStatus::Completed;
    case embed::Status::Interrupted:
      return JobStatus::Cancelled;
    case embed::Status::Raised:
    case embed::Status::TimedOut:
    case embed::Status::Lost:
      return JobStatus::Failed;
  }
  return JobStatus::Failed;
}

std::string error_of(const embed::CellOutcome& outcome) {
  if (!outcome.error) return {};
  const embed::CellError& error = *outcome.error;
  return error.message.empty() ? error.type : error.type + ": " + error.message;
}

class JobObserver final : public CellObserver {
 public:
  JobObserver(JobRegistry& jobs, std::string id, std::size_t output_budget)
      : jobs_(jobs), id_(std::move(id)), output_budget_(output_budget) {}

  void cell_ended(CellEnd end) override {
    const Excerpt excerpt = make_excerpt(end.output, end.session, end.number, output_budget_);
    jobs_.finish(id_, job_status(end.outcome.status),
                 describe_outcome(end.session, end.number, end.outcome, excerpt, end.isolation,
                                  end.products),
                 error_of(end.outcome));
  }

 private:
  JobRegistry& jobs_;
  const std::string id_;
  const std::size_t output_budget_;
};

}  // namespace

Result<BackgroundCell> run_in_background(SessionRegistry& sessions, JobRegistry& jobs,
                                         const std::string& session, CellSpec spec,
                                         std::size_t output_budget) {
  BackgroundCell cell;
  const Result<std::string> id = jobs.create("run_python", "run_python", {{"session", session}});
  std::unique_ptr<CellObserver> observer;
  if (id) {
    cell.job_id = id.value();
    observer = std::make_unique<JobObserver>(jobs, cell.job_id, output_budget);
  } else {
    cell.problem = id.error().message;
  }
  const Result<embed::CellNumber> number =
      sessions.run(session, std::move(spec), std::move(observer));
  if (!number) {
    if (id) {
      jobs.finish(cell.job_id, JobStatus::Failed, nullptr, number.error().message);
      jobs.remove({cell.job_id});  // its caller is told, and there is nothing to follow
    }
    return number.error();
  }
  cell.number = number.value();
  if (id) {
    jobs.set_details(cell.job_id, {{"session", session}, {"cell", cell.number}});
    jobs.attach(cell.job_id,
                std::make_unique<CellWork>(CellAddress{sessions, session, cell.number}));
  }
  return cell;
}

}  // namespace pyember::host
