#include "host/jobs/job.h"

#include <sys/random.h>

#include <array>

#include "base/check.h"
#include "host/jobs/job_id.h"

namespace pyember::host {

namespace {

constexpr std::array kStatuses{JobStatus::Pending, JobStatus::Running, JobStatus::Completed,
                               JobStatus::Failed, JobStatus::Cancelled};

bool is_hexadecimal(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

}  // namespace

const char* to_string(JobStatus status) {
  switch (status) {
    case JobStatus::Pending:
      return "pending";
    case JobStatus::Running:
      return "running";
    case JobStatus::Completed:
      return "completed";
    case JobStatus::Failed:
      return "failed";
    case JobStatus::Cancelled:
      return "cancelled";
  }
  return "failed";
}

std::optional<JobStatus> parse_job_status(std::string_view text) {
  for (const JobStatus status : kStatuses) {
    if (text == to_string(status)) return status;
  }
  return std::nullopt;
}

std::string new_job_id() {
  std::array<unsigned char, 16> bytes{};
  CHECK(getrandom(bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | 0x40);  // version 4
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);  // variant 1
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string id;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) id += '-';
    id += kDigits[bytes[i] >> 4];
    id += kDigits[bytes[i] & 15];
  }
  return id;
}

bool is_job_id(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !is_hexadecimal(text[i])) return false;
  }
  return true;
}

}  // namespace pyember::host
