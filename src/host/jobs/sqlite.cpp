#include "host/jobs/sqlite.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <utility>

namespace pyember::host {

Result<std::unique_ptr<Database>> Database::open(const std::string& path, int busy_timeout_ms) {
  // Made here for its mode: SQLite gives its companions (-wal, -shm) the mode of the database.
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0) ::close(fd);
  return connect(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, busy_timeout_ms);
}

Result<std::unique_ptr<Database>> Database::join(const std::string& path, int busy_timeout_ms) {
  return connect(path, SQLITE_OPEN_READWRITE, busy_timeout_ms);
}

Result<std::unique_ptr<Database>> Database::connect(const std::string& path, int flags,
                                                    int busy_timeout_ms) {
  sqlite3* raw = nullptr;
  const int status = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
  std::unique_ptr<Database> database(new Database(raw));
  if (raw == nullptr || status != SQLITE_OK) return database->error("opening " + path);
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, busy_timeout_ms);
  return database;
}

Database::~Database() { sqlite3_close_v2(database_); }

Result<void> Database::execute(const char* sql) {
  if (sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return error(sql);
  return {};
}

Result<std::int64_t> Database::number(const char* sql) {
  Result<Statement> statement = Statement::prepare(*this, sql);
  if (!statement) return statement.error();
  switch (statement.value().step()) {
    case Statement::Step::Row:
      return statement.value().integer(0);
    case Statement::Step::Done:
      return std::int64_t{0};
    case Statement::Step::Failed:
      break;
  }
  return error(sql);
}

void Database::keep_log(int most) {
  most_log_pages_ = most;
  sqlite3_wal_hook(
      database_,
      [](void* context, sqlite3* connection, const char* name, int pages) {
        auto& self = *static_cast<Database*>(context);
        self.log_pages_ = pages;
        if (pages >= self.most_log_pages_) {
          sqlite3_wal_checkpoint_v2(connection, name, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
        }
        return SQLITE_OK;
      },
      this);
}

std::int64_t Database::changed() const { return sqlite3_changes(database_); }

Error Database::error(std::string_view operation) const {
  const std::string why = database_ == nullptr ? "out of memory" : sqlite3_errmsg(database_);
  return {
      ErrorCode::Unavailable,
      fmt::format("The job store could not be used: {} ({}). Look at the folder's permissions "
                  "and at the free space of its disk, or set PYTHON_MCP_META to another folder.",
                  why, operation.substr(0, 200))};
}

bool Database::corrupt() const {
  const int code = sqlite3_errcode(database_);
  return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

// --- statements ----------------------------------------------------------------------------------

Statement::~Statement() { sqlite3_finalize(statement_); }

Statement::Statement(Statement&& other) noexcept
    : statement_(std::exchange(other.statement_, nullptr)) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(statement_, other.statement_);
  return *this;
}

Result<Statement> Statement::prepare(Database& database, std::string_view sql) {
  Statement statement;
  if (sqlite3_prepare_v3(database.raw(), sql.data(), static_cast<int>(sql.size()),
                         SQLITE_PREPARE_PERSISTENT, &statement.statement_, nullptr) != SQLITE_OK) {
    return database.error(sql);
  }
  return statement;
}

void Statement::bind(int index, std::string_view text) {
  sqlite3_bind_text64(statement_, index, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

void Statement::bind(int index, double number) { sqlite3_bind_double(statement_, index, number); }

void Statement::bind(int index, std::int64_t number) {
  sqlite3_bind_int64(statement_, index, number);
}

Statement::Step Statement::step() {
  switch (sqlite3_step(statement_)) {
    case SQLITE_ROW:
      return Step::Row;
    case SQLITE_DONE:
      return Step::Done;
    default:
      return Step::Failed;
  }
}

void Statement::reset() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

std::string Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

double Statement::real(int column) const { return sqlite3_column_double(statement_, column); }

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

}  // namespace pyember::host
