#include "host/jobs/job_folders.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/descriptor.h"
#include "base/file_io.h"
#include "base/limits.h"
#include "host/jobs/job_id.h"
#include "host/runs/run_files.h"

namespace pyember::host {

namespace {

class FileOutput final : public JobOutput {
 public:
  explicit FileOutput(std::string folder) : folder_(std::move(folder)) {}

  std::uint64_t size(Stream stream) const override {
    struct stat status {};
    const int fd = open_file(stream);
    if (fd < 0 || fstat(fd, &status) != 0) return 0;
    return static_cast<std::uint64_t>(status.st_size);
  }

  std::string read(Stream stream, std::uint64_t offset, std::size_t limit) const override {
    const std::uint64_t end = size(stream);
    if (offset >= end) return {};
    const std::uint64_t size = std::min<std::uint64_t>(limit, end - offset);
    return read_at(open_file(stream), offset, static_cast<std::size_t>(size));
  }

 private:
  // Opened when first asked for: the runner makes the files a moment after the job is there.
  int open_file(Stream stream) const {
    Descriptor& file = files_[static_cast<int>(stream)];
    if (!file.valid()) {
      const std::string path = stream_path(folder_, stream);
      file = Descriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    }
    return file.get();
  }

  const std::string folder_;
  mutable Descriptor files_[2];
};

class TextOutput final : public JobOutput {
 public:
  TextOutput(std::string out, std::string err) : texts_{std::move(out), std::move(err)} {}

  std::uint64_t size(Stream stream) const override { return of(stream).size(); }
  std::string read(Stream stream, std::uint64_t offset, std::size_t limit) const override {
    const std::string& text = of(stream);
    return offset < text.size() ? text.substr(static_cast<std::size_t>(offset), limit)
                                : std::string();
  }

 private:
  const std::string& of(Stream stream) const { return texts_[static_cast<int>(stream)]; }
  const std::string texts_[2];
};

Error no_folder(const std::string& path) {
  return {ErrorCode::Unavailable,
          fmt::format("The job store's folder {} could not be made: {}. Give yourself the right to "
                      "write there, free space, or set PYTHON_MCP_META to another folder.",
                      path, strerror(errno))};
}

bool make_folder(const std::string& path) {
  return mkdir(path.c_str(), 0700) == 0 || errno == EEXIST;
}

}  // namespace

Result<void> JobFolders::make_directory(const std::string& directory) {
  // Every missing folder on the way, as `mkdir -p` does.
  for (std::size_t slash = directory.find('/', 1); slash != std::string::npos;
       slash = directory.find('/', slash + 1)) {
    if (!make_folder(directory.substr(0, slash))) return no_folder(directory.substr(0, slash));
  }
  for (const std::string& path : {directory, directory + "/jobs"}) {
    if (!make_folder(path)) return no_folder(path);
  }
  return {};
}

bool JobFolders::exists(const std::string& id) const {
  struct stat status {};
  return is_job_id(id) && lstat(path(id).c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

Result<void> JobFolders::make(const std::string& id) const {
  if (!make_folder(path(id))) return no_folder(path(id));
  return {};
}

void JobFolders::remove(const std::string& id) const {
  if (!is_job_id(id)) return;  // an id becomes part of a path only when it is one
  const std::string folder = path(id);
  if (DIR* entries = opendir(folder.c_str())) {
    while (const dirent* entry = readdir(entries)) {
      unlinkat(dirfd(entries), entry->d_name, 0);  // a job's folder holds no folders
    }
    closedir(entries);
  }
  rmdir(folder.c_str());
}

std::uint64_t JobFolders::bytes(const std::string& id) const {
  std::uint64_t total = 0;
  struct stat status {};
  for (const char* name : {"stdout", "stderr", "samples"}) {
    if (stat((path(id) + "/" + name).c_str(), &status) == 0) {
      total += static_cast<std::uint64_t>(status.st_size);
    }
  }
  return total;
}

std::unique_ptr<JobOutput> JobFolders::output(const std::string& id) const {
  return folder_output(path(id));
}

void JobFolders::keep(const std::string& id, const JobOutput& output) const {
  for (const Stream stream : {Stream::Stdout, Stream::Stderr}) {
    const std::uint64_t size = output.size(stream);
    const Descriptor file(open(stream_path(path(id), stream).c_str(),
                               O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file.valid()) continue;
    for (std::uint64_t offset = 0; offset < size;) {
      const std::string piece = output.read(stream, offset, limits::kJobReadBytes);
      if (piece.empty() || !write_all(file.get(), piece)) break;
      offset += piece.size();
    }
  }
}

std::unique_ptr<JobOutput> folder_output(std::string folder) {
  return std::make_unique<FileOutput>(std::move(folder));
}

std::unique_ptr<JobOutput> text_output(std::string out, std::string err) {
  return std::make_unique<TextOutput>(std::move(out), std::move(err));
}

}  // namespace pyember::host
