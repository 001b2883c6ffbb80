#include "host/tools/markdown.h"

#include "support/catch.h"

#include "host/tools/job_answer.h"

using namespace pyember::host;
using pyember::mcp::Json;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

Json run(int exit_code) {
  return {{"stdout", "hello\n"},          {"stderr", ""},
          {"exit_code", exit_code},       {"execution_strategy", "uv-run"},
          {"elapsed_seconds", 0.125},     {"resolved_dependencies", {"requests", "rich"}},
          {"python_version_used", "3.12"}};
}

}  // namespace

TEST_CASE("markdown: a run has its status in the heading, one line of facts, and its output") {
  CHECK(run_markdown("Run script", run(0)) ==
        "## Run script — ✅ exit 0\n"
        "\n"
        "- uv-run · python 3.12 · 0.125 s · dependencies: requests, rich\n"
        "\n"
        "### stdout\n"
        "```\n"
        "hello\n"
        "```\n");
}

TEST_CASE("markdown: a failed run and one that ran out of time say so in the heading") {
  CHECK(run_markdown("Run", run(3)).starts_with("## Run — ❌ exit 3\n"));
  Json result = run(-9);
  result["timed_out"] = true;
  result["stderr"] = "late\n[TIMEOUT]\n";
  const std::string text = run_markdown("Run", result);
  CHECK(text.starts_with("## Run — ⏱ timeout\n"));
  CHECK(contains(text, "### stderr\n```\nlate\n[TIMEOUT]\n```\n"));
}

TEST_CASE("markdown: a fence is longer than any run of backticks inside") {
  CHECK(fenced("a") == "```\na\n```\n");
  CHECK(fenced("x ``` y\n") == "````\nx ``` y\n````\n");
  CHECK(fenced("`````") == "``````\n`````\n``````\n");
}

TEST_CASE("markdown: what was measured stands in a table") {
  Json result = run(0);
  result["wall_time_seconds"] = 1.5;
  result["cpu_time_seconds"] = 1.25;
  result["peak_rss_mb"] = 130.04;
  const std::string text = run_markdown("Benchmark", result);
  CHECK(contains(text, "| metric | value |\n|---|---|\n| wall time, s | 1.500 |\n"));
  CHECK(contains(text, "| CPU time, s | 1.250 |\n"));
  CHECK(contains(text, "| peak RSS, MiB | 130.0 |\n"));
}

TEST_CASE("markdown: a background job is shown with its id and the next call to make") {
  const std::string text = run_markdown(
      "Run", {{"job_id", "abc"}, {"status", "running"}, {"message", "Task exceeded 2s"}});
  CHECK(text.starts_with("## Run — ⏳ background\n"));
  CHECK(contains(text, "job abc"));
  CHECK(contains(text, "Task exceeded 2s"));
  CHECK(contains(text, "py_job_status(job_id=\"abc\")"));
}

TEST_CASE("markdown: a list is a table and says how much of it is shown") {
  const Json rows = {{{"name", "a|b"}, {"count", 2}}, {{"name", "two\nlines"}, {"count", nullptr}}};
  CHECK(table({{"name", "name"}, {"n", "count"}}, rows, 7) ==
        "| name | n |\n"
        "|---|---|\n"
        "| a\\|b | 2 |\n"
        "| two lines |  |\n"
        "\n"
        "2 of 7 shown\n");
  CHECK(table({{"name", "name"}}, Json::array(), 0) == "0 of 0 shown\n");
}

TEST_CASE("markdown: an error has a cause and a fix") {
  CHECK(error_markdown("kill_job", "ValueError: no such job", "List them.") ==
        "## kill_job — error\n\nValueError: no such job\n\n**Fix:** List them.\n");
}

TEST_CASE("markdown: small objects are bullets, and long texts blocks of their own") {
  CHECK(fields_markdown("T", {{"removed", 2}, {"note", nullptr}, {"log", "a\nb"}}) ==
        "## T\n\n- removed: 2\n\n### log\n```\na\nb\n```\n");
}

TEST_CASE("markdown: a job that is over shows its result below") {
  const Json status = {{"job",
                        {{"id", "abc"},
                         {"label", "nightly"},
                         {"status", "completed"},
                         {"error", nullptr},
                         {"result", run(0)},
                         {"progress", nullptr}}}};
  const std::string text = job_markdown("Job status", status);
  CHECK(text.starts_with("## Job status — completed\n"));
  CHECK(contains(text, "- label: nightly\n"));
  CHECK(contains(text, "\n### Result — ✅ exit 0\n"));
  CHECK(job_markdown("Job status", {{"error", "Job x not found"}}) ==
        "## Job status\n\n- error: Job x not found\n");
}
