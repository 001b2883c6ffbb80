#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "host/jobs/jobs_file.h"
#include "host/loop/uv_handle.h"

namespace pyember::host {

// Brings changes into jobs.json without keeping the loop: they are gathered for
// limits::kJobsFilePeriod, then merged and written on a thread of libuv's pool, one at a time.
// Loop's thread only.
class JobsFileWriter {
 public:
  struct Callbacks {
    std::function<JobsFile::Change()> collect;  // what has changed since; asked just before
    std::function<void(const JobsFile::Change&, Result<JobsFile::Content>)> written;
  };

  JobsFileWriter(EventLoop& loop, const std::string& directory, Callbacks callbacks);
  ~JobsFileWriter();
  JobsFileWriter(const JobsFileWriter&) = delete;
  JobsFileWriter& operator=(const JobsFileWriter&) = delete;

  void soon();  // there is something to write
  void now();   // writes on this thread, for the end of the server

 private:
  struct Task;

  void write();
  void finished(Task& task);

  EventLoop& loop_;
  const JobsFile file_;
  const Callbacks callbacks_;
  Timer timer_;
  bool again_ = false;
  // In flight. Shared with the pool's thread, which may still be at it when this is gone.
  std::shared_ptr<Task> task_;
};

}  // namespace pyember::host
