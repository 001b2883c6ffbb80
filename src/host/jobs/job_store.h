#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "host/jobs/job.h"
#include "host/jobs/job_registry.h"
#include "host/jobs/sqlite.h"
#include "host/runs/process_identity.h"

namespace pyember::host {

// What a job stands for, as far as its adoption has to know.
enum class JobKind { None, Run, Work };

struct StoredJob {
  Job job;
  JobKind kind = JobKind::None;
  bool live = true;  // its process, or its work, may still go on (also of a cancelled job)
  ProcessIdentity owner;
  std::uint64_t bytes = 0;  // of its folder, once it is over
};

// The jobs, in <directory>/jobs.db: SQLite in WAL mode. A commit is in the file before a call
// returns, and survives the end of this process (after a power failure the last ones may be gone).
// It does not wait for the disk: what does, bringing the log into the database, is left to
// shorten_log().
//
// Several servers may have it open. A job that lives is changed by its owner alone, which is part
// of every UPDATE; a dead owner's job is taken over by a compare-and-set. A job that is over may be
// removed by anybody. One thread.
class JobStore {
 public:
  // What had to be done to open it; empty: nothing worth saying.
  struct Opened {
    bool fresh = false;  // there was no database (any more)
    std::string message;
  };

  // `directory` exists. A corrupt database is moved aside and a new one made.
  static Result<std::unique_ptr<JobStore>> open(const std::string& directory, Opened& opened);

  const ProcessIdentity& owner() const { return owner_; }

  // --- own jobs ---
  Result<void> insert(const StoredJob& job);  // with the owner it names
  // False: the job is not ours, or is gone.
  Result<bool> update(const StoredJob& job);

  // True each time that limits::kStoreLogPages have been added to the log: somebody should call
  // shorten_log(), on any thread. `directory` is that of a store which is open.
  bool log_has_grown();
  static void shorten_log(const std::string& directory);

  // --- everybody's ---
  std::optional<StoredJob> find(std::string_view id);
  JobPage list(const JobFilter& filter);
  std::unordered_set<std::string> ids();

  // Jobs that live and belong to another process, alive or not.
  std::vector<StoredJob> owned_by_others();
  std::size_t count_live();
  // True when the job was `from`'s until now; from here on it is ours.
  bool claim(const std::string& id, const ProcessIdentity& from);

  // --- forgetting: in two steps, so that what jobs.json shows can follow ---
  bool mark_removed(const std::string& id);  // false: it lives, or is unknown
  std::vector<std::string> removed();
  void forget(const std::vector<std::string>& ids);

  // Ids of jobs that are over, oldest first: by status and age, or what exceeds these bounds.
  std::vector<std::string> over(const std::vector<JobStatus>& statuses, double created_before);
  std::vector<std::string> beyond(std::size_t count, std::uint64_t bytes);

 private:
  JobStore(std::unique_ptr<Database> database, ProcessIdentity owner);
  Result<void> prepare();

  std::unique_ptr<Database> database_;
  int log_pages_seen_ = 0;
  const ProcessIdentity owner_;
  Statement insert_, update_, find_, list_, count_, claim_, mark_removed_, forget_, over_;
};

}  // namespace pyember::host
