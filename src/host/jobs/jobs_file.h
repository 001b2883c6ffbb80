#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "host/jobs/job_record.h"

namespace pyember::host {

// <directory>/jobs.json: an array of job records, shared with other programs (the Python package
// python_mcp_server.smart_async among them). Every change is read, merge, write to a new file,
// rename, under flock(2) of jobs.json.lock: records and members that are not ours stay as they
// are, and a reader never sees half a file.
//
// Blocks: on the disk, and on the lock for at most limits::kJobsFileLockDeadline. Keeps no state,
// so any thread may use it.
class JobsFile {
 public:
  explicit JobsFile(const std::string& directory) : path_(directory + "/jobs.json") {}

  // Tells one state of the file from another.
  struct Stamp {
    std::uint64_t inode = 0;  // 0: there is no file
    std::int64_t modified_ns = 0;
    std::uint64_t size = 0;
    bool operator==(const Stamp&) const = default;
  };
  Stamp stamp() const;

  struct Put {
    JobRecord record;
    std::string folder;  // of a running job: where the ends of its output are read
    std::size_t partial_bytes = 0;
  };
  struct Change {
    std::vector<Put> put;
    std::vector<std::string> remove;
    // Jobs of nobody who lives, and that we don't know, fail: "Server restarted while …".
    bool fail_orphans = false;
    std::unordered_set<std::string> known;  // ids that the store has
    bool reread = false;                    // also if there is nothing to change

    bool empty() const { return changes_nothing() && !reread; }
    bool changes_nothing() const { return put.empty() && remove.empty() && !fail_orphans; }
  };
  // What the file says of jobs that are not `known`.
  struct Content {
    Stamp stamp;
    std::vector<JobRecord> foreign;
  };

  Result<Content> apply(const Change& change) const;
  // Without the lock: a rename is atomic. All records, known or not.
  Result<Content> read(const std::unordered_set<std::string>& known) const;

 private:
  Result<mcp::Json> read_array() const;
  Result<void> write_array(const mcp::Json& array) const;

  const std::string path_;
};

// What a job is told that nobody runs any more.
inline constexpr const char* kServerRestarted = "Server restarted while job was running";

}  // namespace pyember::host
