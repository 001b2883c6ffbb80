#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "host/jobs/job_registry.h"
#include "host/tasks/stored_task.h"
#include "mcp/server.h"
#include "mcp/task_keeper.h"

namespace pyember::host {

// The tasks of one principal as files, <jobs' folder>/tasks/ID.json: so that a server which follows
// this one, or runs beside it, answers for them. A task whose work is a job goes on as long as the
// job does, whoever looks after that; any other ends with its server.
//
// Costs nothing until a call becomes a task. Loop's thread only. A file that can't be written is
// logged, and that task ends with the server.
class KeptTasks final : public mcp::TaskKeeper {
 public:
  // Lets the call wait for the job, and answer as the call that started it would have.
  using GoOn = std::function<void(const Job& job, std::shared_ptr<mcp::ToolCall> call)>;

  // `directory`: that of the jobs. The registry outlives it.
  KeptTasks(std::string directory, JobRegistry& jobs, mcp::WallClock clock, GoOn go_on);

  // What servers left that are gone: what is over for long, or never asked for, goes.
  void tidy();

  void keep(const mcp::TaskRecord& record) override;
  void forget(const std::string& id) override;
  std::optional<mcp::TaskRecord> find(std::string_view id) override;
  void go_on(const mcp::TaskRecord& record, std::shared_ptr<mcp::ToolCall> call) override;

 private:
  std::string path_of(std::string_view id) const;
  std::optional<StoredTask> read(std::string_view id) const;
  void write(const StoredTask& stored);
  bool is_lost(const StoredTask& stored) const;
  void end_lost(StoredTask& stored);
  bool is_past(const StoredTask& stored);
  bool is_old(const std::string& path) const;

  const std::string directory_;
  const std::string folder_;
  JobRegistry& jobs_;
  const mcp::WallClock clock_;
  const GoOn go_on_;
};

}  // namespace pyember::host
