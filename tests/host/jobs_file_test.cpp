#include "host/jobs/jobs_file.h"

#include <sys/file.h>

#include "base/limits.h"
#include "job_fixture.h"

using namespace pyember;
using namespace pyember::host;

namespace {

constexpr const char* kUpstreamRecord = R"({
    "id": "11111111-1111-4111-8111-111111111111", "label": "long_task", "status": "completed",
    "created_at": "2025-12-17T10:00:00.000001", "started_at": null, "completed_at": null,
    "error": null, "result": {"score": NaN, "text": "NaN stays"}, "progress": null,
    "partial_stdout": "", "partial_stderr": "", "mood": "unknown to us"})";

struct InFolder {
  TemporaryFolder folder;
  JobsFile file{folder.path};
  std::string path = folder.path + "/jobs.json";

  mcp::Json content() {
    auto json = mcp::parse_json(text_of(path));
    REQUIRE(json.ok());
    return json.take();
  }
};

JobsFile::Change putting(const Job& job) {
  JobsFile::Change change;
  change.put.push_back({{job, "", "", std::nullopt}, "", 0});
  change.known.insert(job.id);
  return change;
}

Job a_job(const std::string& id) {
  Job job;
  job.id = id;
  job.label = "label";
  job.tool = "tool";
  job.created_at = 1.5;
  return job;
}

}  // namespace

TEST_CASE("jobs.json: an array of records with two spaces, its members in their order") {
  InFolder in;
  REQUIRE(in.file.apply(putting(a_job("a"))).ok());
  const std::string text = text_of(in.path);
  CHECK(
      text.starts_with("[\n  {\n    \"id\": \"a\",\n    \"label\": \"label\",\n    \"status\": "
                       "\"pending\",\n    \"created_at\": \"1970-01-01T"));
  std::vector<std::string> names;
  const mcp::Json written = in.content();
  for (const auto& [name, value] : written[0].items()) names.push_back(name);
  const std::vector<std::string> expected{
      "id",     "label",  "status",   "created_at",     "started_at",     "completed_at",
      "error",  "result", "progress", "partial_stdout", "partial_stderr", "tool",
      "details"};
  CHECK(names == expected);
}

TEST_CASE("jobs.json: records and members of other programs stay as they are") {
  InFolder in;
  write_text(in.path, "[" + std::string(kUpstreamRecord) + ", {\"id\": \"a\", \"own\": 1}, 17]");
  const auto content = in.file.apply(putting(a_job("a")));
  REQUIRE(content.ok());
  REQUIRE(content.value().foreign.size() == 1);
  const Job& foreign = content.value().foreign[0].job;
  CHECK(foreign.foreign);
  CHECK(foreign.label == "long_task");
  CHECK(foreign.status == JobStatus::Completed);
  CHECK(foreign.result["text"] == "NaN stays");
  const mcp::Json written = in.content();
  REQUIRE(written.size() == 3);
  CHECK(written[0]["mood"] == "unknown to us");
  CHECK(written[1]["own"] == 1);
  CHECK(written[1]["status"] == "pending");
  CHECK(written[2] == 17);
}

TEST_CASE("jobs.json: running jobs of nobody fail, those of living programs do not") {
  InFolder in;
  const std::string me = R"({"pid":)" + std::to_string(getpid()) + R"(,"start_ticks":)" +
                         std::to_string(own_identity().start_ticks) + R"(,"boot_id":")" +
                         own_identity().boot_id + "\"}";
  write_text(in.path, R"([{"id":"old","status":"running"},
    {"id":"dead","status":"pending","owner":{"pid":4000000,"start_ticks":1,"boot_id":"x"}},
    {"id":"alive","status":"running","owner":)" +
                          me + R"(},
    {"id":"known","status":"running"}])");
  JobsFile::Change change;
  change.fail_orphans = true;
  change.known = {"known"};
  REQUIRE(in.file.apply(change).ok());
  const mcp::Json written = in.content();
  CHECK(written[0]["status"] == "failed");
  CHECK(written[0]["error"] == "Server restarted while job was running");
  CHECK(written[0]["completed_at"].is_string());
  CHECK(written[1]["status"] == "failed");
  CHECK(written[2]["status"] == "running");
  CHECK(written[3]["status"] == "running");
}

TEST_CASE("jobs.json: what is no array of jobs is moved aside, not lost") {
  InFolder in;
  write_text(in.path, "[{\"id\": \"cut off");
  REQUIRE(in.file.apply(putting(a_job("a"))).ok());
  CHECK(in.content().size() == 1);
  std::string kept;
  for (const auto& entry : std::filesystem::directory_iterator(in.folder.path)) {
    if (entry.path().string().find("corrupt") != std::string::npos) kept = text_of(entry.path());
  }
  CHECK(kept == "[{\"id\": \"cut off");
}

TEST_CASE("jobs.json: a lock that others hold is waited for, and not for ever", "[slow]") {
  InFolder in;
  const int lock = open((in.path + ".lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  REQUIRE(flock(lock, LOCK_EX) == 0);
  CHECK_FALSE(in.file.apply(putting(a_job("a"))).ok());
  CHECK(in.file.stamp().inode == 0);
  close(lock);
  CHECK(in.file.apply(putting(a_job("a"))).ok());
}

TEST_CASE("jobs.json: the registry's jobs appear there, with the ends of their output") {
  JobFixture jobs;
  const std::string id = jobs.run("echo soon; echo oops >&2; sleep 1000");
  REQUIRE(jobs.until([&] {
    const mcp::Json record = jobs.in_file(id);
    return !record.is_null() && record["partial_stdout"] == "soon\n";
  }));
  const mcp::Json running = jobs.in_file(id);
  CHECK(running["status"] == "running");
  CHECK(running["partial_stderr"] == "oops\n");
  CHECK(running["owner"]["pid"] == getpid());
  REQUIRE(jobs.registry->cancel(id).ok());
  REQUIRE(jobs.ends(id));
  REQUIRE(jobs.until([&] { return !jobs.in_file(id).contains("owner"); }));
  CHECK(jobs.in_file(id)["status"] == "cancelled");
  CHECK(jobs.in_file(id)["partial_stdout"] == "");
  CHECK(jobs.registry->remove({id}) == 1);
  REQUIRE(jobs.until([&] { return jobs.in_file(id).is_null(); }));
}

TEST_CASE("jobs.json: jobs of other programs are listed, read, and seen when they change") {
  JobFixture jobs;
  std::filesystem::create_directories(jobs.folder.path + "/meta");
  write_text(jobs.file(), "[" + std::string(kUpstreamRecord) + "]");
  const JobPage page = jobs.registry->list({});
  REQUIRE(page.jobs.size() == 1);
  CHECK(page.jobs[0].foreign);
  write_text(jobs.file() + ".new",
             R"([{"id":"theirs","status":"running","partial_stdout":"so far","owner":{"pid":)" +
                 std::to_string(getpid()) + "}}]");
  std::filesystem::rename(jobs.file() + ".new", jobs.file());
  REQUIRE(jobs.registry->find("theirs"));
  CHECK(jobs.output("theirs") == "so far");
  CHECK_FALSE(jobs.registry->cancel("theirs").ok());
}

TEST_CASE("jobs.json: a run that comes and goes within the period is not written") {
  JobFixture jobs;
  const std::string id = jobs.create();
  jobs.registry->finish(id, JobStatus::Completed, nullptr, "");
  CHECK(jobs.registry->remove({id}) == 1);
  jobs.turn_for(limits::kJobsFilePeriod * 2);
  CHECK_FALSE(std::filesystem::exists(jobs.file()));
}
