#include "host/upstream/policy/audit_log.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "base/iso_time.h"
#include "base/sha256.h"
#include "base/utf8.h"
#include "host/loop/pool_work.h"
#include "host/upstream/policy/audit_file.h"
#include "host/upstream/policy/canonical_json.h"

namespace pyember::host {

using mcp::Json;

namespace {

constexpr std::size_t kShownCharacters = 256;          // of a name
constexpr std::size_t kWriteAtOnceBytes = 256u << 10;  // without waiting for more

// A URI without what may be a secret in it: who asks, and the query.
std::string_view without_query(std::string_view uri) {
  return uri.substr(0, uri.find_first_of("?#"));
}

std::string shown_uri(std::string_view uri) {
  const std::string_view bare = without_query(uri);
  const std::size_t authority = bare.find("://");
  if (authority == std::string_view::npos) return std::string(bare);
  const std::size_t begin = authority + 3;
  const std::size_t at = bare.substr(0, bare.find('/', begin)).rfind('@');
  if (at == std::string_view::npos || at < begin) return std::string(bare);
  return std::string(bare.substr(0, begin)) + std::string(bare.substr(at + 1));
}

std::string line_of(const AuditRecord& record) {
  const auto text = [](std::string_view value) {
    return std::string(utf8::head(value, kShownCharacters));
  };
  const double when = std::chrono::duration<double>(record.when.time_since_epoch()).count();
  const bool is_uri = record.operation.starts_with("resources/");
  Json line = {{"when", iso_time(when)}};
  if (!record.principal.empty()) line["principal"] = text(record.principal);
  line.update({{"session", text(record.session)}, {"cell", record.cell}});
  if (!record.trace_id.empty()) line["trace_id"] = record.trace_id;
  line.update({{"server", text(record.server)},
               {"operation", record.operation},
               {"name", text(is_uri ? shown_uri(record.name) : record.name)},
               {"arguments_sha256", record.arguments_sha256},
               {"ms", record.took.count()},
               {"bytes", record.bytes},
               {"outcome", record.outcome}});
  return mcp::to_json_text(line);
}

}  // namespace

std::string arguments_digest(const Json& arguments) {
  return sha256_hex(canonical_json(arguments));
}

AuditLog::AuditLog(EventLoop& loop, std::string path) : AuditLog(loop, std::move(path), Bounds()) {}

AuditLog::AuditLog(EventLoop& loop, std::string path, Bounds bounds)
    : loop_(loop),
      path_(std::move(path)),
      file_(std::make_shared<AuditFile>(path_, bounds.file_bytes, bounds.files)),
      alive_(std::make_shared<bool>(true)),
      timer_(loop, [this] { write_soon(); }) {}

AuditLog::~AuditLog() { flush(); }

void AuditLog::add(const AuditRecord& record) {
  if (path_.empty()) return;
  if (file_->add(line_of(record)) > kWriteAtOnceBytes) {
    write_soon();
  } else if (!writing_ && !timer_.active()) {
    timer_.start(limits::kAuditPeriod);
  }
}

void AuditLog::write_soon() {
  if (writing_) return;
  writing_ = true;
  timer_.stop();
  const auto problem = std::make_shared<std::string>();
  const std::weak_ptr<bool> alive = alive_;
  run_in_pool(
      loop_, [file = file_, problem] { *problem = file->write(); },
      [this, alive, problem] {
        if (!alive.lock()) return;
        writing_ = false;
        warn_of(*problem);
        if (file_->waits()) timer_.start(limits::kAuditPeriod);
      });
}

void AuditLog::flush() {
  if (!path_.empty()) warn_of(file_->write());
}

void AuditLog::warn_of(const std::string& problem) {
  if (problem.empty() || std::exchange(warned_, true)) return;
  spdlog::warn("audit_not_written file={} reason=\"{}\"", path_, problem);
}

}  // namespace pyember::host
