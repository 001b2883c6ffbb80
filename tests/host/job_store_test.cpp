#include "host/jobs/job_store.h"

#include <sys/stat.h>

#include "host/jobs/job_folders.h"
#include "job_fixture.h"

using namespace pyember;
using namespace pyember::host;

namespace {

struct InFolder {
  TemporaryFolder folder;
  JobStore::Opened report;
  std::unique_ptr<JobStore> store;

  InFolder() { open(); }
  void open() {
    store.reset();
    report = {};
    auto opened = JobStore::open(folder.path, report);
    REQUIRE(opened.ok());
    store = opened.take();
  }

  StoredJob full() const {
    StoredJob stored;
    stored.kind = JobKind::Run;
    stored.owner = store->owner();
    Job& job = stored.job;
    job.id = "22222222-2222-4222-8222-222222222222";
    job.label = "a label";
    job.tool = "benchmark_script";
    job.status = JobStatus::Completed;
    job.created_at = 1763684831.123456;
    job.started_at = 1763684832.25;
    job.completed_at = 1763684833.5;
    job.error = "none, really";
    job.result = {{"stdout", "caf\xC3\xA9"}};
    job.progress = {{"current", 1}, {"total", 2}};
    job.details = {{"strategy", "uv-run"}};
    job.pid = 4711;
    RunEnd end;
    end.exit_code = -9;
    end.timed_out = true;
    end.limit = "memory";
    end.started_at = 10;
    end.ended_at = 20;
    end.wall_seconds = 1.5;
    end.cpu_seconds = 0.25;
    end.peak_bytes = 1u << 30;
    end.peak_source = "cgroup";
    job.end = end;
    return stored;
  }
};

}  // namespace

TEST_CASE("Store: every field comes back after it was closed") {
  InFolder in;
  StoredJob stored = in.full();
  REQUIRE(in.store->insert(stored).ok());
  in.open();
  CHECK_FALSE(in.report.fresh);
  const std::optional<StoredJob> found = in.store->find(stored.job.id);
  REQUIRE(found);
  const Job& job = found->job;
  CHECK(job.label == stored.job.label);
  CHECK(job.tool == stored.job.tool);
  CHECK(job.status == stored.job.status);
  CHECK(job.created_at == stored.job.created_at);
  CHECK(job.started_at == stored.job.started_at);
  CHECK(job.completed_at == stored.job.completed_at);
  CHECK(job.error == stored.job.error);
  CHECK(job.result == stored.job.result);
  CHECK(job.progress == stored.job.progress);
  CHECK(job.details == stored.job.details);
  CHECK(job.pid == stored.job.pid);
  REQUIRE(job.end);
  CHECK(job.end->exit_code == -9);
  CHECK(job.end->timed_out);
  CHECK(job.end->limit == "memory");
  CHECK(job.end->cpu_seconds == 0.25);
  CHECK(job.end->peak_bytes == 1u << 30);
  CHECK(job.end->peak_source == "cgroup");
  CHECK(found->kind == JobKind::Run);
  CHECK(found->owner == in.store->owner());
}

TEST_CASE("Store: the database is nobody else's to read") {
  InFolder in;
  struct stat status {};
  REQUIRE(stat((in.folder.path + "/jobs.db").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("Store: a job is changed by its owner alone, and claimed by one") {
  InFolder in;
  StoredJob stored = in.full();
  stored.job.status = JobStatus::Running;
  const ProcessIdentity other{4'000'000, 1, "an earlier boot"};
  stored.owner = other;
  REQUIRE(in.store->insert(stored).ok());
  stored.job.status = JobStatus::Failed;
  const Result<bool> refused = in.store->update(stored);
  REQUIRE(refused.ok());
  CHECK_FALSE(refused.value());
  CHECK(in.store->find(stored.job.id)->job.status == JobStatus::Running);

  CHECK_FALSE(in.store->claim(stored.job.id, {4'000'001, 1, "an earlier boot"}));
  CHECK(in.store->owned_by_others().size() == 1);
  CHECK(in.store->claim(stored.job.id, other));
  CHECK_FALSE(in.store->claim(stored.job.id, other));
  CHECK(in.store->owned_by_others().empty());
  CHECK(in.store->update(stored).value());
  CHECK(in.store->find(stored.job.id)->job.status == JobStatus::Failed);
}

TEST_CASE("Store: what lives is not removed; what is removed is forgotten in two steps") {
  InFolder in;
  StoredJob stored = in.full();
  REQUIRE(in.store->insert(stored).ok());
  CHECK_FALSE(in.store->mark_removed(stored.job.id));
  stored.live = false;
  REQUIRE(in.store->update(stored).ok());
  CHECK(in.store->mark_removed(stored.job.id));
  CHECK_FALSE(in.store->find(stored.job.id));
  CHECK(in.store->list({}).total == 0);
  REQUIRE(in.store->removed().size() == 1);
  CHECK(in.store->ids().contains(stored.job.id));
  in.store->forget({stored.job.id});
  CHECK(in.store->ids().empty());
}

TEST_CASE("Store: beyond a count or a size the oldest that are over go first") {
  InFolder in;
  StoredJob stored = in.full();
  for (int i = 0; i < 5; ++i) {
    stored.job.id = "job " + std::to_string(i);
    stored.job.created_at = 100 + i;
    stored.live = i == 1;
    stored.bytes = 10;
    REQUIRE(in.store->insert(stored).ok());
  }
  CHECK(in.store->beyond(10, 1000).empty());
  CHECK(in.store->beyond(3, 1000) == std::vector<std::string>{"job 0"});
  CHECK(in.store->beyond(10, 25) == std::vector<std::string>{"job 2", "job 0"});
}

TEST_CASE("Store: a damaged database is moved aside and a new one made") {
  InFolder in;
  in.store.reset();
  write_text(in.folder.path + "/jobs.db", std::string(8192, 'x'));
  in.open();
  CHECK(in.report.fresh);
  CHECK(in.report.message.find(".corrupt-") != std::string::npos);
  CHECK(in.store->list({}).total == 0);
}

TEST_CASE("Store: jobs are made again from jobs.json when the database is lost") {
  JobFixture jobs;
  const std::string id = jobs.run("echo kept; exit 4");
  REQUIRE(jobs.ends(id));
  jobs.registry->flush();
  jobs.registry.reset();
  write_text(jobs.folder.path + "/meta/jobs.db", std::string(8192, 'x'));
  jobs.reopen();
  const std::optional<Job> job = jobs.registry->find(id);
  REQUIRE(job);
  CHECK_FALSE(job->foreign);
  CHECK(job->status == JobStatus::Completed);
  CHECK(job->result["exit_code"] == 4);
  CHECK(jobs.output(id) == "kept\n");
}

TEST_CASE("Store: a database of a newer pyember is refused and left alone") {
  InFolder in;
  in.store.reset();
  {
    auto database = Database::open(in.folder.path + "/jobs.db", 100);
    REQUIRE(database.ok());
    REQUIRE(database.value()->execute("PRAGMA user_version = 99").ok());
  }
  JobStore::Opened report;
  const auto opened = JobStore::open(in.folder.path, report);
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.error().message.find("newer") != std::string::npos);
  CHECK(report.message.empty());
}

TEST_CASE("Job store: a commit leaves its log alone, and says when somebody should shorten it") {
  InFolder folder;
  StoredJob job = folder.full();
  job.live = true;
  REQUIRE(folder.store->insert(job).ok());
  const auto database_size = [&] {
    return std::filesystem::file_size(folder.folder.path + "/jobs.db");
  };
  const auto before = database_size();
  job.job.result = {{"stdout", std::string(60'000, 'x')}};
  int updates = 0;
  while (!folder.store->log_has_grown() && updates < 1000) {
    REQUIRE(folder.store->update(job).ok());
    ++updates;
  }
  CHECK(updates > 10);
  CHECK(updates < 1000);
  CHECK(database_size() == before);
  CHECK_FALSE(folder.store->log_has_grown());  // said once
  JobStore::shorten_log(folder.folder.path);
  CHECK(database_size() > before);
  CHECK(folder.store->find(job.job.id)->job.result == job.job.result);

  REQUIRE(folder.store->update(job).ok());  // the log begins anew, and is counted anew
  for (int i = 0; i < updates - 2; ++i) {
    REQUIRE(folder.store->update(job).ok());
    CHECK_FALSE(folder.store->log_has_grown());
  }
}
