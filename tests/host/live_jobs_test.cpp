#include "host/apps/live_jobs.h"

#include <optional>

#include "host/jobs/job_folders.h"
#include "job_fixture.h"

using namespace pyember;
using namespace pyember::host;
using mcp::Json;

namespace {

struct Views : JobFixture {
  LiveJobs live{loop, *registry};

  Result<std::vector<mcp::ResourceContent>> read(const std::string& uri) {
    std::optional<Result<std::vector<mcp::ResourceContent>>> found;
    live.read(uri, [&found](auto given) { found = std::move(given); });
    REQUIRE(until([&found] { return found.has_value(); }));
    return std::move(*found);
  }
  Json state(const std::string& uri) {
    const auto contents = read(uri);
    REQUIRE(contents.ok());
    REQUIRE(contents.value().size() == 1);
    CHECK(contents.value()[0].uri == uri);
    CHECK(contents.value()[0].mime_type == "application/json");
    return mcp::parse_json(contents.value()[0].data).take();
  }
};

// Work of two runs, of which one goes on.
struct TwoRuns : JobWork {
  explicit TwoRuns(std::string folder_of_run) : folder(std::move(folder_of_run)) {}
  void cancel() override {}
  std::unique_ptr<JobOutput> output() const override { return folder_output(folder); }
  JobTraces traces() const override {
    return {folder,
            folder + "/samples",
            {{"script", {{1.5, 1.25, 4096}}}, {"compared", Json::array()}}};
  }
  const std::string folder;
};

}  // namespace

TEST_CASE("Job views: addresses are parsed strictly") {
  CHECK(parse_job_view_uri("job-view://abc")->id == "abc");
  const auto since = parse_job_view_uri("job-view://abc?since=12-3");
  REQUIRE(since);
  CHECK(since->since.out == 12);
  CHECK(since->since.err == 3);
  for (const char* bad : {"job-view://", "job-stream://a",
                          "job-view://a?since=", "job-view://a?x=1", "job-view://a?since=1-x"}) {
    INFO(bad);
    CHECK_FALSE(parse_job_view_uri(bad));
  }
}

TEST_CASE("Job views: a run that goes on tells its output, its memory and its CPU time") {
  Views jobs;
  const std::string id = jobs.run(
      "echo begun; echo oops >&2; i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; "
      "echo done; sleep 1000");
  Json state;
  REQUIRE(jobs.until([&] {
    state = jobs.state("job-view://" + id);
    return state["stdout"] == "begun\ndone\n";
  }));
  CHECK(state["stderr"] == "oops\n");
  CHECK(state["running"] == true);
  CHECK(state["whole"] == false);
  CHECK(state["job"]["id"] == id);
  CHECK(state["job"]["status"] == "running");
  CHECK(state["exit_code"].is_null());
  CHECK(state["elapsed_seconds"].get<double>() > 0);
#ifdef __linux__
  CHECK(state["memory_bytes"].get<std::uint64_t>() > 100'000);
  CHECK(state["cpu_seconds"].get<double>() > 0);
#endif
  const std::string cursor = state["cursor"].get<std::string>();
  CHECK(cursor == "11-5");
  CHECK(jobs.state("job-view://" + id + "?since=" + cursor)["stdout"] == "");
  REQUIRE(jobs.registry->cancel(id).ok());
  REQUIRE(jobs.ends(id));
}

TEST_CASE("Job views: what was measured of a run stays when it is over") {
  Views jobs;
  RunSpec spec = shell_run("echo out; sleep 0.2; exit 3");
  spec.sample_interval = 0.01;
  const std::string id = jobs.create();
  REQUIRE(jobs.launch(id, spec).ok());
  REQUIRE(jobs.ends(id));
  const Json state = jobs.state("job-view://" + id);
  CHECK(state["running"] == false);
  CHECK(state["exit_code"] == 3);
  CHECK(state["memory_bytes"].is_null());
  CHECK(state["cpu_seconds"].is_number());
  CHECK(state["peak_bytes"].get<std::uint64_t>() > 0);
  CHECK(state["samples"].size() >= 2);
  CHECK(state["job"]["result"]["exit_code"] == 3);
  CHECK_FALSE(state.contains("runs"));
}

TEST_CASE("Job views: of many runs the end of the present output is shown, and each run") {
  Views jobs;
  std::filesystem::create_directory(jobs.folder.path + "/run");
  write_text(jobs.folder.path + "/run/stdout", std::string(200'000, 'x') + "end\n");
  const std::string id = jobs.create("benchmark_script");
  jobs.registry->attach(id, std::make_unique<TwoRuns>(jobs.folder.path + "/run"));
  const Json state = jobs.state("job-view://" + id + "?since=7-7");
  CHECK(state["whole"] == true);
  CHECK(state["more"] == false);
  CHECK(state["cursor"] == "0");
  const auto text = state["stdout"].get<std::string>();
  CHECK(text.size() <= 65536);
  CHECK(text.ends_with("xend\n"));
  CHECK(state["runs"]["script"][0][0] == 1.5);
  CHECK(state["memory_bytes"].is_null());
  jobs.registry->finish(id, JobStatus::Completed, nullptr, "");
}

TEST_CASE("Job views: a job that is not known is a resource that is not found") {
  Views jobs;
  for (const char* uri : {"job-view://11111111-1111-4111-8111-111111111111", "job-view://../../etc",
                          "job-view://a?since=x", "job-view://"}) {
    INFO(uri);
    const auto found = jobs.read(uri);
    REQUIRE_FALSE(found.ok());
    CHECK(found.error().code == ErrorCode::NotFound);
  }
  CHECK_FALSE(jobs.live.subscribable("job-view://a"));
  CHECK(jobs.live.templates().size() == 1);
}
