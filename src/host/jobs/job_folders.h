#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "host/jobs/job.h"

namespace pyember::host {

// The folders of the jobs: <directory>/jobs/<id>/, mode 0700. A run's runner writes into its
// folder; other work's output is copied there when it ends.
class JobFolders {
 public:
  explicit JobFolders(const std::string& directory) : root_(directory + "/jobs") {}

  // Makes the store's folder and that of all jobs.
  static Result<void> make_directory(const std::string& directory);

  std::string path(const std::string& id) const { return root_ + "/" + id; }
  bool exists(const std::string& id) const;
  Result<void> make(const std::string& id) const;
  void remove(const std::string& id) const;
  std::uint64_t bytes(const std::string& id) const;

  // The output in a job's folder; it may still grow. What is not there is empty. Goes on being
  // readable when the folder is removed, once it has been read from.
  std::unique_ptr<JobOutput> output(const std::string& id) const;
  // Copies both streams into the folder.
  void keep(const std::string& id, const JobOutput& output) const;

 private:
  std::string root_;
};

std::unique_ptr<JobOutput> folder_output(std::string folder);

// Output that is nothing but two texts: of jobs that other programs wrote into jobs.json.
std::unique_ptr<JobOutput> text_output(std::string out, std::string err);

}  // namespace pyember::host
