#include "host/jobs/jobs_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "base/file_io.h"
#include "base/iso_time.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "host/jobs/job_folders.h"

namespace pyember::host {

using mcp::Json;

namespace {

using Clock = std::chrono::steady_clock;

// A file of thousands of jobs is larger than a message of the protocol may be.
constexpr mcp::JsonBounds kBounds{64, 4096, std::size_t{1} << 23};

Error no_file(const std::string& path, std::string_view operation) {
  return {
      ErrorCode::Unavailable,
      fmt::format("The jobs could not be written to {}: {} failed ({}). Give yourself the right "
                  "to write there, free space, or set PYTHON_MCP_META to another folder.",
                  path, operation, strerror(errno))};
}

// The lock between all programs that write the file. flock has no deadline of its own.
class FileLock {
 public:
  explicit FileLock(const std::string& path)
      : fd_(open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)) {}
  ~FileLock() {
    if (fd_ >= 0) close(fd_);
  }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  bool take() const {
    const auto deadline = Clock::now() + limits::kJobsFileLockDeadline;
    while (fd_ >= 0) {
      if (flock(fd_, LOCK_EX | LOCK_NB) == 0) return true;
      if ((errno != EWOULDBLOCK && errno != EINTR) || Clock::now() > deadline) return false;
      const timespec pause{0, 5'000'000};
      nanosleep(&pause, nullptr);
    }
    return false;
  }

 private:
  const int fd_;
};

std::string last_of(const JobOutput& output, Stream stream, std::size_t bytes) {
  const std::uint64_t size = output.size(stream);
  std::string text = output.read(stream, size > bytes ? size - bytes : 0, bytes);
  std::size_t from = 0;  // not from the middle of a character
  while (size > bytes && from < text.size() && from < 4 &&
         (static_cast<unsigned char>(text[from]) & 0xC0) == 0x80) {
    ++from;
  }
  return utf8::repaired(std::string_view(text).substr(from));
}

Json json_of(const JobsFile::Put& put) {
  JobRecord record = put.record;
  record.job.result = with_bounded_texts(record.job.result, limits::kJobsFileResultBytes);
  if (!put.folder.empty()) {
    const std::unique_ptr<JobOutput> output = folder_output(put.folder);
    record.partial_stdout = last_of(*output, Stream::Stdout, put.partial_bytes);
    record.partial_stderr = last_of(*output, Stream::Stderr, put.partial_bytes);
  }
  return to_json(record);
}

// Python writes NaN and Infinity, which are no JSON: outside of strings they become null.
std::string without_python_numbers(std::string_view text) {
  std::string out;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (in_string && text[i] == '\\' && i + 1 < text.size()) {
      out += text[i++];
    } else if (text[i] == '"') {
      in_string = !in_string;
    } else if (!in_string) {
      const std::string_view rest = text.substr(i);
      const std::size_t length = rest.starts_with("NaN")         ? 3
                                 : rest.starts_with("Infinity")  ? 8
                                 : rest.starts_with("-Infinity") ? 9
                                                                 : 0;
      if (length > 0) {
        out += "null";
        i += length - 1;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

std::string id_of(const Json& record) {
  if (!record.is_object()) return {};
  const auto id = record.find("id");
  return id != record.end() && id->is_string() ? id->get<std::string>() : std::string();
}

void put_members(Json& record, const Json& members) {
  for (const auto& [name, value] : members.items()) record[name] = value;
  if (!members.contains("owner")) record.erase("owner");  // it is over: nobody's any more
}

// Records that nobody will bring to an end: written as running by a program that is gone.
void fail_orphan(Json& json) {
  const std::optional<JobRecord> record = job_record_from(json);
  if (!record || record->job.is_over()) return;
  if (record->owner && is_alive(*record->owner)) return;
  json["status"] = to_string(JobStatus::Failed);
  json["error"] = kServerRestarted;
  json["completed_at"] = iso_time(unix_now());
  json["partial_stdout"] = "";
  json["partial_stderr"] = "";
  json.erase("owner");
}

Json merged(Json array, const JobsFile::Change& change) {
  const std::unordered_set<std::string> removed(change.remove.begin(), change.remove.end());
  std::unordered_map<std::string, const JobsFile::Put*> put;
  for (const JobsFile::Put& one : change.put) put.emplace(one.record.job.id, &one);
  Json result = Json::array();
  for (Json& record : array) {
    const std::string id = id_of(record);
    if (removed.contains(id)) continue;
    if (const auto ours = put.find(id); ours != put.end()) {
      put_members(record, json_of(*ours->second));
      put.erase(ours);
    } else if (change.fail_orphans && !change.known.contains(id)) {
      fail_orphan(record);
    }
    result.push_back(std::move(record));
  }
  for (const JobsFile::Put& one : change.put) {
    if (put.contains(one.record.job.id)) result.push_back(json_of(one));
  }
  return result;
}

std::vector<JobRecord> foreign_in(const Json& array, const std::unordered_set<std::string>& known) {
  std::vector<JobRecord> foreign;
  for (const Json& json : array) {
    if (known.contains(id_of(json))) continue;
    std::optional<JobRecord> record = job_record_from(json);
    if (!record) continue;
    record->job.foreign = true;
    foreign.push_back(std::move(*record));
  }
  return foreign;
}

}  // namespace

JobsFile::Stamp JobsFile::stamp() const {
  struct stat status {};
  if (stat(path_.c_str(), &status) != 0) return {};
  return {status.st_ino, status.st_mtim.tv_sec * 1'000'000'000ll + status.st_mtim.tv_nsec,
          static_cast<std::uint64_t>(status.st_size)};
}

Result<Json> JobsFile::read_array() const {
  const int fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    if (errno == ENOENT) return Json::array();
    return no_file(path_, "opening it");
  }
  std::string text;
  std::string piece(64u << 10, '\0');
  ssize_t n = 0;
  while ((n = ::read(fd, piece.data(), piece.size())) != 0) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 || text.size() > limits::kJobsFileBytes) break;
    text.append(piece, 0, static_cast<std::size_t>(n));
  }
  close(fd);
  if (text.size() > limits::kJobsFileBytes) {
    return Error{ErrorCode::LimitReached,
                 fmt::format("{} is larger than {} bytes and is not read. Prune jobs with the "
                             "program that wrote them, or move the file away.",
                             path_, limits::kJobsFileBytes)};
  }
  if (n < 0) return no_file(path_, "reading it");
  if (text.empty()) return Json::array();
  Result<Json> array = mcp::parse_json(text, kBounds);
  if (!array) array = mcp::parse_json(without_python_numbers(text), kBounds);
  if (array && array.value().is_array()) return array;
  return Error{ErrorCode::InvalidArgument,
               fmt::format("{} is no array of jobs: {}", path_,
                           array ? "it is something else" : array.error().message)};
}

Result<void> JobsFile::write_array(const Json& array) const {
  const std::string text = array.dump(2, ' ', false, Json::error_handler_t::replace);
  // Named by process and thread-safe under the lock; a leftover of a dead writer is overwritten.
  const std::string next = path_ + ".new";
  const int fd = open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return no_file(path_, "making a new file");
  const bool written = write_all(fd, text);
  const Error failure = no_file(path_, "writing");
  close(fd);
  if (!written) {
    unlink(next.c_str());
    return failure;
  }
  if (rename(next.c_str(), path_.c_str()) != 0) return no_file(path_, "renaming");
  return {};
}

Result<JobsFile::Content> JobsFile::apply(const Change& change) const {
  if (change.changes_nothing()) return read(change.known);
  const FileLock lock(path_ + ".lock");
  if (!lock.take()) return no_file(path_, "waiting for its lock");
  Result<Json> array = read_array();
  if (!array && array.error().code == ErrorCode::InvalidArgument) {
    const std::string aside =
        fmt::format("{}.corrupt-{}", path_, static_cast<std::int64_t>(unix_now()));
    spdlog::warn("jobs_file_corrupt moved_to={} reason=\"{}\"", aside, array.error().message);
    rename(path_.c_str(), aside.c_str());
    array = Json::array();
  }
  if (!array) return array.error();
  const Json result = merged(array.value(), change);
  if (result != array.value()) {
    if (auto written = write_array(result); !written) return written.error();
  }
  return Content{stamp(), foreign_in(result, change.known)};
}

Result<JobsFile::Content> JobsFile::read(const std::unordered_set<std::string>& known) const {
  Content content;
  content.stamp = stamp();  // before the reading: a change in between is seen next time
  const Result<Json> array = read_array();
  if (!array) return array.error();
  content.foreign = foreign_in(array.value(), known);
  return content;
}

}  // namespace pyember::host
