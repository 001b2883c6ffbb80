#include "host/jobs/job_store.h"

#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "base/iso_time.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "host/runs/run_files.h"

namespace pyember::host {

using mcp::Json;

namespace {

constexpr std::int64_t kSchemaVersion = 1;

constexpr const char* kSchema = R"sql(
CREATE TABLE jobs(
  id TEXT PRIMARY KEY, label TEXT NOT NULL, tool TEXT NOT NULL, kind TEXT NOT NULL,
  status TEXT NOT NULL, created_at REAL NOT NULL, started_at REAL NOT NULL,
  completed_at REAL NOT NULL, pid INTEGER NOT NULL,
  live INTEGER NOT NULL, removed INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL,
  owner_pid INTEGER NOT NULL, owner_start_ticks INTEGER NOT NULL, owner_boot_id TEXT NOT NULL,
  error TEXT NOT NULL, run_end TEXT NOT NULL, progress TEXT NOT NULL, details TEXT NOT NULL,
  result TEXT NOT NULL
);
CREATE INDEX jobs_by_age ON jobs(created_at, removed, live, status, bytes);
CREATE INDEX jobs_that_live ON jobs(live) WHERE live = 1;
PRAGMA user_version = 1;
)sql";

constexpr const char* kColumns =
    "id, label, tool, kind, status, created_at, started_at, completed_at, error, result, progress, "
    "details, pid, run_end, live, bytes, owner_pid, owner_start_ticks, owner_boot_id";

const char* to_string(JobKind kind) {
  return kind == JobKind::Run ? "run" : kind == JobKind::Work ? "work" : "";
}

JobKind parse_kind(std::string_view text) {
  return text == "run" ? JobKind::Run : text == "work" ? JobKind::Work : JobKind::None;
}

std::string stored(const Json& json) { return json.is_null() ? "" : mcp::to_json_text(json); }

Json restored(const std::string& text) {
  if (text.empty()) return nullptr;
  Result<Json> json = mcp::parse_json(text);
  return json ? json.take() : Json();
}

void bind_owner(Statement& statement, int index, const ProcessIdentity& owner) {
  statement.bind(index, static_cast<std::int64_t>(owner.pid));
  statement.bind(index + 1, static_cast<std::int64_t>(owner.start_ticks));
  statement.bind(index + 2, owner.boot_id);
}

// What an update may change, in the order of both statements.
void bind_changing(Statement& statement, int index, const StoredJob& stored_job) {
  const Job& job = stored_job.job;
  statement.bind(index++, to_string(stored_job.kind));
  statement.bind(index++, to_string(job.status));
  statement.bind(index++, job.started_at);
  statement.bind(index++, job.completed_at);
  statement.bind(index++, utf8::repaired(job.error));
  statement.bind(index++, stored(job.result));
  statement.bind(index++, stored(job.progress));
  statement.bind(index++, stored(job.details));
  statement.bind(index++, job.pid);
  statement.bind(index++, job.end ? mcp::to_json_text(to_json(*job.end)) : "");
  statement.bind(index++, static_cast<std::int64_t>(stored_job.live));
  statement.bind(index, static_cast<std::int64_t>(stored_job.bytes));
}

StoredJob read_row(const Statement& row) {
  StoredJob stored_job;
  Job& job = stored_job.job;
  job.id = row.text(0);
  job.label = row.text(1);
  job.tool = row.text(2);
  stored_job.kind = parse_kind(row.text(3));
  job.status = parse_job_status(row.text(4)).value_or(JobStatus::Failed);
  job.created_at = row.real(5);
  job.started_at = row.real(6);
  job.completed_at = row.real(7);
  job.error = row.text(8);
  job.result = restored(row.text(9));
  job.progress = restored(row.text(10));
  job.details = restored(row.text(11));
  job.pid = row.integer(12);
  job.end = run_end_from(restored(row.text(13)));
  stored_job.live = row.integer(14) != 0;
  stored_job.bytes = static_cast<std::uint64_t>(row.integer(15));
  stored_job.owner.pid = static_cast<pid_t>(row.integer(16));
  stored_job.owner.start_ticks = static_cast<std::uint64_t>(row.integer(17));
  stored_job.owner.boot_id = row.text(18);
  return stored_job;
}

Result<void> set_up(Database& database) {
  if (auto done = database.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"); !done) {
    return done;
  }
  const Result<std::int64_t> version = database.number("PRAGMA user_version");
  if (!version) return version.error();
  if (version.value() == kSchemaVersion) return {};
  if (version.value() > kSchemaVersion) {
    return Error{ErrorCode::Unavailable,
                 fmt::format("The job store was made by a newer pyember (its version is {}, this "
                             "one knows {}). Update pyember, or set PYTHON_MCP_META to another "
                             "folder.",
                             version.value(), kSchemaVersion)};
  }
  // Two servers may come here at once: the first makes the tables, the second sees them.
  if (auto begun = database.execute("BEGIN IMMEDIATE"); !begun) return begun;
  const Result<std::int64_t> now = database.number("PRAGMA user_version");
  const Result<void> made =
      now && now.value() == kSchemaVersion ? Result<void>() : database.execute(kSchema);
  if (!made) {
    (void)database.execute("ROLLBACK");
    return made;
  }
  return database.execute("COMMIT");
}

// A first look at the whole file, so that damage is found now and not in the middle of a job.
bool is_sound(Database& database) {
  Result<Statement> check = Statement::prepare(database, "PRAGMA quick_check(1)");
  if (!check) return !database.corrupt();
  if (check.value().step() != Statement::Step::Row) return !database.corrupt();
  return check.value().text(0) == "ok";
}

std::string move_aside(const std::string& path) {
  const std::string suffix = fmt::format(".corrupt-{}", static_cast<std::int64_t>(unix_now()));
  for (const char* part : {"", "-wal", "-shm"}) {
    rename((path + part).c_str(), (path + suffix + part).c_str());
  }
  return path + suffix;
}

struct OpenedDatabase {
  std::unique_ptr<Database> database;
  bool corrupt = false;
  Result<void> outcome;
};

OpenedDatabase open_once(const std::string& path) {
  OpenedDatabase opened;
  Result<std::unique_ptr<Database>> database =
      Database::open(path, static_cast<int>(limits::kStoreBusyTimeout.count()));
  if (!database) {
    opened.outcome = database.error();
    return opened;
  }
  opened.database = database.take();
  opened.outcome = set_up(*opened.database);
  opened.corrupt = opened.outcome ? !is_sound(*opened.database) : opened.database->corrupt();
  return opened;
}

}  // namespace

Result<std::unique_ptr<JobStore>> JobStore::open(const std::string& directory, Opened& report) {
  const std::string path = directory + "/jobs.db";
  struct stat status {};
  report.fresh = stat(path.c_str(), &status) != 0 || status.st_size == 0;
  OpenedDatabase opened = open_once(path);
  if (opened.corrupt) {
    opened.database.reset();
    report.message = fmt::format(
        "The job store {} was damaged and could not be read. It was moved to {}; a new one was "
        "made, with what jobs.json still says.",
        path, move_aside(path));
    report.fresh = true;
    opened = open_once(path);
  }
  if (!opened.outcome) return opened.outcome.error();
  std::unique_ptr<JobStore> store(new JobStore(std::move(opened.database), own_identity()));
  if (auto prepared = store->prepare(); !prepared) return prepared.error();
  return store;
}

JobStore::JobStore(std::unique_ptr<Database> database, ProcessIdentity owner)
    : database_(std::move(database)), owner_(std::move(owner)) {
  database_->keep_log(limits::kStoreMostLogPages);
}

Result<void> JobStore::prepare() {
  const std::string select = fmt::format("SELECT {} FROM jobs WHERE removed = 0 AND ", kColumns);
  const std::pair<Statement*, std::string> all[] = {
      {&insert_, fmt::format("INSERT OR IGNORE INTO jobs({}) VALUES(?1,?2,?3,?8,?9,?4,?10,?11,?12,"
                             "?13,?14,?15,?16,?17,?18,?19,?5,?6,?7)",
                             kColumns)},
      {&update_,
       "UPDATE jobs SET kind=?5, status=?6, started_at=?7, completed_at=?8, error=?9, result=?10, "
       "progress=?11, details=?12, pid=?13, run_end=?14, live=?15, bytes=?16 WHERE id=?1 AND "
       "owner_pid=?2 AND owner_start_ticks=?3 AND owner_boot_id=?4"},
      {&find_, select + "id = ?1"},
      {&list_, select + "(?1 = '' OR status = ?1) ORDER BY created_at DESC LIMIT ?2"},
      {&count_, "SELECT count(*) FROM jobs WHERE removed = 0 AND (?1 = '' OR status = ?1)"},
      {&claim_,
       "UPDATE jobs SET owner_pid=?5, owner_start_ticks=?6, owner_boot_id=?7 WHERE id=?1 AND "
       "live=1 AND owner_pid=?2 AND owner_start_ticks=?3 AND owner_boot_id=?4"},
      {&mark_removed_, "UPDATE jobs SET removed = 1 WHERE id = ?1 AND live = 0 AND removed = 0"},
      {&forget_, "DELETE FROM jobs WHERE id = ?1 AND removed = 1"},
      {&over_,
       "SELECT id, status, created_at, bytes FROM jobs WHERE live = 0 AND removed = 0 ORDER BY "
       "created_at DESC"}};
  for (const auto& [statement, sql] : all) {
    Result<Statement> prepared = Statement::prepare(*database_, sql);
    if (!prepared) return prepared.error();
    *statement = prepared.take();
  }
  return {};
}

bool JobStore::log_has_grown() {
  const int pages = database_->log_pages();
  if (pages < log_pages_seen_) log_pages_seen_ = 0;  // all of it was brought in: it began anew
  if (pages - log_pages_seen_ < limits::kStoreLogPages) return false;
  log_pages_seen_ = pages;
  return true;
}

// What can't be done now is done the next time.
void JobStore::shorten_log(const std::string& directory) {
  const auto database =
      Database::join(directory + "/jobs.db", static_cast<int>(limits::kStoreBusyTimeout.count()));
  if (database) (void)database.value()->execute("PRAGMA wal_checkpoint(PASSIVE)");
}

Result<void> JobStore::insert(const StoredJob& stored_job) {
  StatementUse use(insert_);
  const Job& job = stored_job.job;
  insert_.bind(1, job.id);
  insert_.bind(2, utf8::repaired(job.label));
  insert_.bind(3, job.tool);
  insert_.bind(4, job.created_at);
  bind_owner(insert_, 5, stored_job.owner);
  bind_changing(insert_, 8, stored_job);
  if (insert_.step() != Statement::Step::Done) return database_->error("writing a new job");
  return {};
}

Result<bool> JobStore::update(const StoredJob& stored_job) {
  StatementUse use(update_);
  update_.bind(1, stored_job.job.id);
  bind_owner(update_, 2, owner_);
  bind_changing(update_, 5, stored_job);
  if (update_.step() != Statement::Step::Done) return database_->error("writing a job");
  return database_->changed() == 1;
}

std::optional<StoredJob> JobStore::find(std::string_view id) {
  StatementUse use(find_);
  find_.bind(1, id);
  if (find_.step() != Statement::Step::Row) return std::nullopt;
  return read_row(find_);
}

JobPage JobStore::list(const JobFilter& filter) {
  const char* status = filter.status ? pyember::host::to_string(*filter.status) : "";
  JobPage page;
  {
    StatementUse use(list_);
    list_.bind(1, status);
    list_.bind(2, filter.limit == 0 ? std::int64_t{-1} : static_cast<std::int64_t>(filter.limit));
    while (list_.step() == Statement::Step::Row) page.jobs.push_back(read_row(list_).job);
  }
  StatementUse use(count_);
  count_.bind(1, status);
  if (count_.step() == Statement::Step::Row) {
    page.total = static_cast<std::size_t>(count_.integer(0));
  }
  return page;
}

std::unordered_set<std::string> JobStore::ids() {
  std::unordered_set<std::string> ids;
  Result<Statement> all = Statement::prepare(*database_, "SELECT id FROM jobs");
  if (!all) return ids;
  while (all.value().step() == Statement::Step::Row) ids.insert(all.value().text(0));
  return ids;
}

std::vector<StoredJob> JobStore::owned_by_others() {
  std::vector<StoredJob> found;
  Result<Statement> all = Statement::prepare(
      *database_, fmt::format("SELECT {} FROM jobs WHERE live = 1 AND NOT (owner_pid = ?1 AND "
                              "owner_start_ticks = ?2 AND owner_boot_id = ?3)",
                              kColumns));
  if (!all) return found;
  bind_owner(all.value(), 1, owner_);
  while (all.value().step() == Statement::Step::Row) found.push_back(read_row(all.value()));
  return found;
}

std::size_t JobStore::count_live() {
  const Result<std::int64_t> count = database_->number("SELECT count(*) FROM jobs WHERE live = 1");
  return count ? static_cast<std::size_t>(count.value()) : 0;
}

bool JobStore::claim(const std::string& id, const ProcessIdentity& from) {
  StatementUse use(claim_);
  claim_.bind(1, id);
  bind_owner(claim_, 2, from);
  bind_owner(claim_, 5, owner_);
  return claim_.step() == Statement::Step::Done && database_->changed() == 1;
}

bool JobStore::mark_removed(const std::string& id) {
  StatementUse use(mark_removed_);
  mark_removed_.bind(1, id);
  return mark_removed_.step() == Statement::Step::Done && database_->changed() == 1;
}

std::vector<std::string> JobStore::removed() {
  std::vector<std::string> ids;
  Result<Statement> all = Statement::prepare(*database_, "SELECT id FROM jobs WHERE removed = 1");
  if (!all) return ids;
  while (all.value().step() == Statement::Step::Row) ids.push_back(all.value().text(0));
  return ids;
}

void JobStore::forget(const std::vector<std::string>& ids) {
  if (ids.empty() || !database_->execute("BEGIN IMMEDIATE")) return;
  for (const std::string& id : ids) {
    StatementUse use(forget_);
    forget_.bind(1, id);
    forget_.step();
  }
  (void)database_->execute("COMMIT");
}

std::vector<std::string> JobStore::over(const std::vector<JobStatus>& statuses,
                                        double created_before) {
  std::vector<std::string> ids;
  StatementUse use(over_);
  while (over_.step() == Statement::Step::Row) {
    const auto status = parse_job_status(over_.text(1));
    const bool wanted = std::find(statuses.begin(), statuses.end(),
                                  status.value_or(JobStatus::Failed)) != statuses.end();
    if (wanted && over_.real(2) <= created_before) ids.push_back(over_.text(0));
  }
  return ids;
}

std::vector<std::string> JobStore::beyond(std::size_t count, std::uint64_t bytes) {
  std::vector<std::string> ids;
  StatementUse use(over_);
  std::size_t kept = 0;
  std::uint64_t held = 0;
  while (over_.step() == Statement::Step::Row) {
    held += static_cast<std::uint64_t>(over_.integer(3));
    if (++kept > count || held > bytes) ids.push_back(over_.text(0));
  }
  return ids;
}

}  // namespace pyember::host
