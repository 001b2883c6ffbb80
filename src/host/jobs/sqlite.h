#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace pyember::host {

// SQLite, with owners for what must be closed and errors that say what was tried. One thread.
class Database {
 public:
  // Opens or makes the file, mode 0600. `busy_timeout_ms` bounds how long a statement waits for
  // another process.
  static Result<std::unique_ptr<Database>> open(const std::string& path, int busy_timeout_ms);
  // One more connection to a database that this process has open. open() would not do: it closes a
  // descriptor of the file, and with that the process loses its locks on it.
  static Result<std::unique_ptr<Database>> join(const std::string& path, int busy_timeout_ms);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // One or more statements without results.
  Result<void> execute(const char* sql);
  // The first column of the first row, as a number; 0 when there is none.
  Result<std::int64_t> number(const char* sql);
  // From now on commits leave the write-ahead log alone, until it has `most` pages: what is in it
  // is brought into the database by somebody's "PRAGMA wal_checkpoint", which waits for the disk.
  void keep_log(int most);
  int log_pages() const { return log_pages_; }  // after the last commit

  // Rows that the last INSERT, UPDATE or DELETE changed.
  std::int64_t changed() const;

  // What went wrong last, as an Error of ours. `corrupt()`: the file is no database any more.
  Error error(std::string_view operation) const;
  bool corrupt() const;

  sqlite3* raw() { return database_; }

 private:
  explicit Database(sqlite3* database) : database_(database) {}
  static Result<std::unique_ptr<Database>> connect(const std::string& path, int flags,
                                                   int busy_timeout_ms);
  sqlite3* database_;
  int log_pages_ = 0;
  int most_log_pages_ = 0;
};

// A prepared statement, used again and again: bind (from 1), step, read columns (from 0), reset.
class Statement {
 public:
  Statement() = default;
  ~Statement();
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;

  static Result<Statement> prepare(Database& database, std::string_view sql);

  void bind(int index, std::string_view text);
  void bind(int index, double number);
  void bind(int index, std::int64_t number);

  enum class Step { Row, Done, Failed };
  Step step();
  void reset();

  std::string text(int column) const;
  double real(int column) const;
  std::int64_t integer(int column) const;

 private:
  sqlite3_stmt* statement_ = nullptr;
};

// Resets a statement at the end of a scope, so that it holds no lock on the database.
class StatementUse {
 public:
  explicit StatementUse(Statement& statement) : statement_(statement) {}
  ~StatementUse() { statement_.reset(); }
  StatementUse(const StatementUse&) = delete;
  StatementUse& operator=(const StatementUse&) = delete;
  Statement* operator->() { return &statement_; }

 private:
  Statement& statement_;
};

}  // namespace pyember::host
