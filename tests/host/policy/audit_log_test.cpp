#include "host/upstream/policy/audit_log.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "host/upstream/policy/audit_file.h"
#include "host/upstream/policy/canonical_json.h"
#include "loop_fixture.h"
#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;
using mcp::Json;

namespace {

struct Folder {
  Folder() { REQUIRE(mkdtemp(path) != nullptr); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file() const { return std::string(path) + "/state/audit.jsonl"; }
  char path[32] = "/tmp/pyember-audit-XXXXXX";
};

std::vector<Json> lines_of(const std::string& path) {
  std::ifstream file(path);
  std::vector<Json> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(Json::parse(line));
  return lines;
}

AuditRecord a_call(const std::string& tool = "create_issue") {
  AuditRecord record;
  record.when = std::chrono::system_clock::now();
  record.session = "main";
  record.cell = 3;
  record.server = "github";
  record.operation = "tools/call";
  record.name = tool;
  record.arguments_sha256 = arguments_digest({{"title", "secret words"}});
  record.took = std::chrono::milliseconds(12);
  record.bytes = 345;
  record.outcome = "ok";
  return record;
}

mode_t mode_of(const std::string& path) {
  struct stat status {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  return status.st_mode & 0777;
}

}  // namespace

TEST_CASE("Audit: a call of a caller over HTTP says whose it was, others nothing of the kind") {
  Folder folder;
  LoopFixture loop;
  AuditLog log(loop.loop, folder.file());
  AuditRecord record = a_call();
  log.add(record);
  record.principal = "alice";
  log.add(record);
  REQUIRE(loop.until([&] { return lines_of(folder.file()).size() == 2; }));
  CHECK_FALSE(lines_of(folder.file())[0].contains("principal"));
  CHECK(lines_of(folder.file())[1]["principal"] == "alice");
}

TEST_CASE("Canonical JSON: equal values have one text, in whatever order they were written") {
  const auto text = [](const char* json) { return canonical_json(Json::parse(json)); };
  CHECK(text(R"({"b":[1,{"z":0,"a":[]}],"a":{}})") == R"({"a":{},"b":[1,{"a":[],"z":0}]})");
  CHECK(text(R"([[],{},"ü\n",null,true,1.5])") == R"([[],{},"ü\n",null,true,1.5])");
  CHECK(arguments_digest({{"a", 1}, {"b", 2}}) == arguments_digest({{"b", 2}, {"a", 1}}));
  CHECK(arguments_digest({{"a", 1}}) != arguments_digest({{"a", "1"}}));
  CHECK(arguments_digest(Json::object()) ==
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
}

TEST_CASE("Audit log: a call is one line, without what was said") {
  const Folder folder;
  LoopFixture fixture;
  AuditLog log(fixture.loop, folder.file());
  log.add(a_call());
  REQUIRE(fixture.until([&] { return lines_of(folder.file()).size() == 1; }));
  const Json line = lines_of(folder.file())[0];
  CHECK(line["session"] == "main");
  CHECK(line["cell"] == 3);
  CHECK(line["server"] == "github");
  CHECK(line["operation"] == "tools/call");
  CHECK(line["name"] == "create_issue");
  CHECK(line["arguments_sha256"].get<std::string>().size() == 64);
  CHECK(line["ms"] == 12);
  CHECK(line["bytes"] == 345);
  CHECK(line["outcome"] == "ok");
  CHECK(line["when"].get<std::string>().size() >= 26);
  CHECK(line.dump().find("secret") == std::string::npos);
}

TEST_CASE("Audit log: only the user can read it") {
  const Folder folder;
  LoopFixture fixture;
  AuditLog log(fixture.loop, folder.file());
  log.add(a_call());
  log.flush();
  CHECK(mode_of(folder.file()) == 0600);
  CHECK(mode_of(std::string(folder.path) + "/state") == 0700);
}

TEST_CASE("Audit log: what waits at the end is written") {
  const Folder folder;
  LoopFixture fixture;
  {
    AuditLog log(fixture.loop, folder.file());
    for (int i = 0; i < 1000; ++i) log.add(a_call());
  }
  CHECK(lines_of(folder.file()).size() == 1000);
  fixture.turn_for(std::chrono::milliseconds(20));  // the pool's last word finds nobody
}

TEST_CASE("Audit log: a resource's URI is shown without what may be secret in it") {
  const Folder folder;
  LoopFixture fixture;
  AuditLog log(fixture.loop, folder.file());
  AuditRecord record = a_call("https://me:word@example.org/a@b?token=x#y");
  record.operation = "resources/read";
  log.add(record);
  record.name = "note:plain?key=1";
  log.add(record);
  log.flush();
  const auto lines = lines_of(folder.file());
  REQUIRE(lines.size() == 2);
  CHECK(lines[0]["name"] == "https://example.org/a@b");
  CHECK(lines[1]["name"] == "note:plain");
}

TEST_CASE("Audit log: a full file is renamed, and the oldest goes") {
  const Folder folder;
  LoopFixture fixture;
  AuditLog log(fixture.loop, folder.file(), {.file_bytes = 1000, .files = 3});
  for (int i = 0; i < 60; ++i) {
    AuditRecord record = a_call();
    record.cell = static_cast<std::uint64_t>(i);
    log.add(record);
    log.flush();
  }
  for (const char* name : {"", ".1", ".2"}) {
    const std::string path = folder.file() + name;
    CHECK(std::filesystem::file_size(path) <= 1000);
    CHECK(mode_of(path) == 0600);
  }
  CHECK_FALSE(std::filesystem::exists(folder.file() + ".3"));
  CHECK(lines_of(folder.file()).back()["cell"] == 59);
  const auto before = lines_of(folder.file() + ".1");
  CHECK(before.back()["cell"].get<int>() + 1 == lines_of(folder.file()).front()["cell"]);
}

TEST_CASE("Audit log: two writers into one file lose nothing of each other's") {
  const Folder folder;
  LoopFixture fixture;
  AuditLog one(fixture.loop, folder.file(), {.file_bytes = 20'000, .files = 50});
  AuditLog other(fixture.loop, folder.file(), {.file_bytes = 20'000, .files = 50});
  for (int i = 0; i < 300; ++i) {
    one.add(a_call("one"));
    other.add(a_call("other"));
    if (i % 7 == 0) one.flush();
    if (i % 5 == 0) other.flush();
  }
  one.flush();
  other.flush();
  std::size_t count = lines_of(folder.file()).size();
  for (int number = 1; number < 50; ++number) {
    count += lines_of(folder.file() + "." + std::to_string(number)).size();
  }
  CHECK(count == 600);
}

TEST_CASE("Audit log: a place that takes no file drops lines and nothing else") {
  LoopFixture fixture;
  AuditLog nowhere(fixture.loop, "/proc/nowhere/audit.jsonl");
  for (int i = 0; i < 100; ++i) nowhere.add(a_call());
  nowhere.flush();
  AuditLog none(fixture.loop, "");
  none.add(a_call());
  none.flush();
}

TEST_CASE("Audit log: a symbolic link in its place is not followed") {
  const Folder folder;
  LoopFixture fixture;
  std::filesystem::create_directories(std::string(folder.path) + "/state");
  const std::string target = std::string(folder.path) + "/target";
  std::ofstream(target) << "mine";
  std::filesystem::create_symlink(target, folder.file());
  AuditLog log(fixture.loop, folder.file());
  log.add(a_call());
  log.flush();
  CHECK(std::filesystem::file_size(target) == 4);
}

TEST_CASE("Audit file: lines that would wait for too long are dropped, and counted") {
  const Folder folder;
  AuditFile file(folder.file(), 64u << 20, 2);
  const std::string line = '"' + std::string(1000, 'x') + '"';
  for (int i = 0; i < 2000; ++i) file.add(line);
  CHECK(file.write().empty());
  file.add("{\"last\":1}");
  CHECK(file.write().empty());
  const auto lines = lines_of(folder.file());
  CHECK(lines.size() < 1100);
  CHECK(lines[lines.size() - 2]["dropped"].get<std::size_t>() + lines.size() - 2 == 2000);
  CHECK(lines.back().contains("last"));
}
