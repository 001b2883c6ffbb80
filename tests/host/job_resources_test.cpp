#include "host/jobs/job_resources.h"

#include "host/output/resource_router.h"
#include "job_fixture.h"

using namespace pyember;
using namespace pyember::host;

namespace {

struct Streams : JobFixture {
  JobResources resources{*registry};

  mcp::ResourceContent read(const std::string& uri) {
    Result<std::vector<mcp::ResourceContent>> result = Error{};
    resources.read(uri, [&](auto given) { result = std::move(given); });
    REQUIRE(result.ok());
    REQUIRE(result.value().size() == 1);
    return result.value()[0];
  }
};

}  // namespace

TEST_CASE("Job streams: addresses are parsed strictly") {
  const auto whole = parse_job_stream_uri("job-stream://abc");
  REQUIRE(whole);
  CHECK(whole->id == "abc");
  CHECK_FALSE(whole->since);
  const auto since = parse_job_stream_uri("job-stream://abc?since=12-3");
  REQUIRE(since);
  CHECK(since->since->out == 12);
  CHECK(since->since->err == 3);
  CHECK(parse_job_stream_uri("job-stream://abc?since=0")->since->out == 0);
  for (const char* bad :
       {"job-stream://", "job-streams://a", "job-stream://a?since=", "job-stream://a?since=7",
        "job-stream://a?since=1-x", "job-stream://a?since=-1-1", "job-stream://a?other=1"}) {
    INFO(bad);
    CHECK_FALSE(parse_job_stream_uri(bad));
  }
}

TEST_CASE("Job streams: the snapshot has both streams in full, and stays the same after the end") {
  Streams jobs;
  const std::string id = jobs.run("echo out; echo err >&2");
  REQUIRE(jobs.ends(id));
  const mcp::ResourceContent content = jobs.read(job_stream_uri(id));
  CHECK(content.data == "---STDOUT---\nout\n\n---STDERR---\nerr\n");
  CHECK(content.mime_type == "text/plain");
  CHECK(content.meta["status"] == "completed");
  CHECK(content.meta["cursor"] == "4-4");
  CHECK(jobs.read(job_stream_uri(id)).data == content.data);
}

TEST_CASE("Job streams: since gives what is new, and no character in halves") {
  Streams jobs;
  const std::string id = jobs.run("printf 'a\\303'; sleep 0.5; printf '\\251z'; sleep 1000");
  REQUIRE(jobs.until([&] { return jobs.registry->output(id)->size(Stream::Stdout) == 2; }));
  const mcp::ResourceContent first = jobs.read(job_stream_uri(id) + "?since=0");
  CHECK(first.data == "---STDOUT---\na\n---STDERR---\n");
  CHECK(first.meta["cursor"] == "1-0");
  CHECK(first.meta["status"] == "running");
  REQUIRE(jobs.until([&] { return jobs.registry->output(id)->size(Stream::Stdout) == 4; }));
  const mcp::ResourceContent next = jobs.read(job_stream_uri(id) + "?since=1-0");
  CHECK(next.data == "---STDOUT---\n\xC3\xA9z\n---STDERR---\n");
  CHECK(next.meta["cursor"] == "4-0");
  CHECK(next.meta["more"] == false);
  REQUIRE(jobs.registry->cancel(id).ok());
  REQUIRE(jobs.ends(id));
}

TEST_CASE("Job streams: an unknown job is a text, not an error, and can't be subscribed to") {
  Streams jobs;
  CHECK(jobs.read("job-stream://nobody").data == "[error] job not found: nobody");
  CHECK_FALSE(jobs.resources.subscribable("job-stream://nobody"));
  const std::string id = jobs.create();
  CHECK(jobs.resources.subscribable(job_stream_uri(id)));
  CHECK_FALSE(jobs.resources.subscribable(job_stream_uri(id) + "?since=0"));
}

TEST_CASE("Job streams: bytes that are no text are shown replaced") {
  Streams jobs;
  const std::string id = jobs.run("printf 'a\\377b\\303'");
  REQUIRE(jobs.ends(id));
  CHECK(jobs.read(job_stream_uri(id)).data ==
        "---STDOUT---\na\xEF\xBF\xBD"
        "b\xEF\xBF\xBD\n---STDERR---\n");
}

TEST_CASE("Router: every catalog answers for its scheme, and lists are one list") {
  struct Fake final : mcp::ResourceCatalog {
    explicit Fake(std::vector<std::string> given) : uris(std::move(given)) {}
    std::vector<mcp::Resource> list(std::string_view after, std::size_t limit) override {
      std::vector<mcp::Resource> found;
      for (const std::string& uri : uris) {
        if (uri > after && found.size() < limit) found.push_back({uri, uri, "", "", "", {}});
      }
      return found;
    }
    std::vector<mcp::ResourceTemplate> templates() override { return {{uris[0], "", "", "", ""}}; }
    void read(std::string_view uri, mcp::ReadCompletion) override { asked = uri; }
    bool subscribable(std::string_view) override { return true; }
    std::vector<std::string> uris;
    std::string asked;
  };
  Fake one({"b://1", "b://2"});
  Fake two({"a://1", "c://1"});
  ResourceRouter router({{"b://", &one}, {"c://", &two}});
  std::vector<std::string> listed;
  std::string after;
  for (auto page = router.list(after, 2); !page.empty(); page = router.list(after, 2)) {
    for (const mcp::Resource& resource : page) listed.push_back(resource.uri);
    after = page.back().uri;
  }
  CHECK(listed == std::vector<std::string>{"a://1", "b://1", "b://2", "c://1"});
  CHECK(router.templates().size() == 2);
  router.read("c://x", [](auto) {});
  CHECK(two.asked == "c://x");
  router.read("nobody://x", [](auto) {});
  CHECK(one.asked == "nobody://x");
}
