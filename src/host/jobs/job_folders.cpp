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

#include "base/limits.h"
#include "host/jobs/job_id.h"
#include "host/runs/run_files.h"

namespace pyember::host {

namespace {

// A descriptor that is closed with its owner.
class OpenFile {
 public:
  explicit OpenFile(int fd) : fd_(fd) {}
  ~OpenFile() {
    if (fd_ >= 0) close(fd_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

class FileOutput final : public JobOutput {
 public:
  explicit FileOutput(std::string folder) : folder_(std::move(folder)) {}

  std::uint64_t size(Stream stream) const override {
    struct stat status {};
    const OpenFile* file = open_file(stream);
    if (file == nullptr || fstat(file->fd(), &status) != 0) return 0;
    return static_cast<std::uint64_t>(status.st_size);
  }

  std::string read(Stream stream, std::uint64_t offset, std::size_t limit) const override {
    const std::uint64_t end = size(stream);
    if (offset >= end) return {};
    std::string bytes(static_cast<std::size_t>(std::min<std::uint64_t>(limit, end - offset)), '\0');
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t n = pread(open_file(stream)->fd(), bytes.data() + done, bytes.size() - done,
                              static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;  // made shorter by somebody meanwhile
      done += static_cast<std::size_t>(n);
    }
    bytes.resize(done);
    return bytes;
  }

 private:
  // Opened when first asked for: the runner makes the files a moment after the job is there.
  const OpenFile* open_file(Stream stream) const {
    std::unique_ptr<OpenFile>& file = files_[static_cast<int>(stream)];
    if (!file) {
      const int fd = open(stream_path(folder_, stream).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
      if (fd >= 0) file = std::make_unique<OpenFile>(fd);
    }
    return file.get();
  }

  const std::string folder_;
  mutable std::unique_ptr<OpenFile> files_[2];
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

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

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
    const OpenFile file(open(stream_path(path(id), stream).c_str(),
                             O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (file.fd() < 0) continue;
    for (std::uint64_t offset = 0; offset < size;) {
      const std::string piece = output.read(stream, offset, limits::kJobReadBytes);
      if (piece.empty() || !write_all(file.fd(), piece)) break;
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
