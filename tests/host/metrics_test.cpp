#include <limits>
#include <string>
#include <vector>

#include "base/limits.h"
#include "host/metrics/process_figures.h"
#include "host/metrics/registry.h"
#include "host/metrics/server_metrics.h"
#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;
using namespace std::chrono_literals;
using mcp::CallMeter;
using mcp::InputRequest;

namespace {

constexpr Metric kRuns{"runs_total", "How many there were."};
constexpr Metric kDepth{"depth", "How deep it is."};
constexpr Metric kSeconds{"seconds", "How long they took."};

bool has(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

// Numbers of a server whose clock stands until it is moved.
struct Counted {
  std::uint64_t now = 1'000'000'000;
  ServerMetrics metrics{3, [this] { return now; }};

  std::string text(const WorkspaceFigures& workspaces = {}, const HttpFigures& http = {}) {
    return metrics.text(workspaces, http);
  }
};

}  // namespace

// --- the registry --------------------------------------------------------------------------------

TEST_CASE("MetricRegistry: a number has one place, whoever asks for it") {
  MetricRegistry registry;
  Counter& first = registry.counter(kRuns, {{"tool", "a"}});
  Counter& other = registry.counter(kRuns, {{"tool", "b"}});
  first.add();
  registry.counter(kRuns, {{"tool", "a"}}).add();
  CHECK(first.value() == 2);
  CHECK(other.value() == 0);
}

TEST_CASE("MetricRegistry: metrics are shown by name, each with its help and its kind") {
  MetricRegistry registry;
  registry.counter(kRuns).add();
  registry.gauge(kDepth, {{"where", "here"}}).set(-1.5);
  CHECK(registry.text() ==
        "# HELP depth How deep it is.\n# TYPE depth gauge\ndepth{where=\"here\"} -1.5\n"
        "# HELP runs_total How many there were.\n# TYPE runs_total counter\nruns_total 1\n");
}

TEST_CASE("MetricRegistry: what others have named can't break a line or a quote") {
  MetricRegistry registry;
  const Metric metric{"depth", "One\\two\n\"three\""};
  registry.gauge(metric, {{"name", "a\"b\\c\nd} 7"}, {"more", "\xff"}}).set(1);
  const std::string text = registry.text();
  CHECK(has(text, "# HELP depth One\\\\two\\n\"three\""));
  CHECK(has(text, "depth{name=\"a\\\"b\\\\c\\nd} 7\",more=\"\xef\xbf\xbd\"} 1"));
}

TEST_CASE("MetricRegistry: numbers that are none have their own words") {
  MetricRegistry registry;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  registry.gauge(kDepth, {{"n", "1"}}).set(kInfinity);
  registry.gauge(kDepth, {{"n", "2"}}).set(-kInfinity);
  registry.gauge(kDepth, {{"n", "3"}}).set(std::numeric_limits<double>::quiet_NaN());
  const std::string text = registry.text();
  CHECK(has(text, "depth{n=\"1\"} +Inf"));
  CHECK(has(text, "depth{n=\"2\"} -Inf"));
  CHECK(has(text, "depth{n=\"3\"} NaN"));
}

TEST_CASE("Histogram: a value counts for every bound that it does not exceed") {
  const Histogram::Bounds bounds{0.1, 1};
  Histogram histogram(bounds);
  for (const double value : {0.05, 0.1, 0.5, 7.0}) histogram.observe(value);
  CHECK(histogram.up_to(0) == 2);
  CHECK(histogram.up_to(1) == 3);
  CHECK(histogram.count() == 4);
  CHECK(histogram.sum() == Approx(7.65));
}

TEST_CASE("MetricRegistry: a histogram is shown with all its bounds, its sum and its count") {
  const Histogram::Bounds bounds{0.1, 1};
  MetricRegistry registry;
  registry.histogram(kSeconds, bounds, {{"tool", "a"}}).observe(0.5);
  registry.histogram(kSeconds, bounds, {{"tool", "b"}});
  const std::string text = registry.text();
  CHECK(has(text, "# TYPE seconds histogram"));
  CHECK(has(text, "seconds_bucket{tool=\"a\",le=\"0.1\"} 0"));
  CHECK(has(text, "seconds_bucket{tool=\"a\",le=\"1\"} 1"));
  CHECK(has(text, "seconds_bucket{tool=\"a\",le=\"+Inf\"} 1"));
  CHECK(has(text, "seconds_sum{tool=\"a\"} 0.5"));
  CHECK(has(text, "seconds_count{tool=\"a\"} 1"));
  CHECK(has(text, "seconds_count{tool=\"b\"} 0"));
}

TEST_CASE("MetricRegistry: a histogram without labels has the bound's alone") {
  const Histogram::Bounds bounds{1};
  MetricRegistry registry;
  registry.histogram(kSeconds, bounds).observe(2);
  CHECK(has(registry.text(), "seconds_bucket{le=\"1\"} 0"));
  CHECK(has(registry.text(), "seconds_count 1"));
}

// --- the server's numbers ------------------------------------------------------------------------

TEST_CASE("ServerMetrics: calls are counted by their tool and what came of them") {
  Counted counted;
  CallMeter& meter = counted.metrics.meter_of("run_python");
  for (const auto outcome : {CallMeter::Outcome::Ok, CallMeter::Outcome::Ok,
                             CallMeter::Outcome::Error, CallMeter::Outcome::Cancelled}) {
    meter.ended(outcome, meter.began());
  }
  meter.refused();
  const std::string text = counted.text();
  CHECK(has(text, "pyember_tool_calls_total{tool=\"run_python\",outcome=\"ok\"} 2"));
  CHECK(has(text, "pyember_tool_calls_total{tool=\"run_python\",outcome=\"error\"} 1"));
  CHECK(has(text, "pyember_tool_calls_total{tool=\"run_python\",outcome=\"cancelled\"} 1"));
  CHECK(has(text, "pyember_tool_calls_total{tool=\"run_python\",outcome=\"refused\"} 1"));
  CHECK(text.find("outcome=\"failed\"") == std::string::npos);
}

TEST_CASE("ServerMetrics: how long a call took is from its beginning to its end") {
  Counted counted;
  CallMeter& meter = counted.metrics.meter_of("run_python");
  const std::uint64_t began = meter.began();
  CHECK(has(counted.text(), "pyember_tool_calls_in_flight 1"));
  counted.now += 30'000'000;
  meter.ended(CallMeter::Outcome::Ok, began);
  const std::string text = counted.text();
  CHECK(has(text, "pyember_tool_calls_in_flight 0"));
  CHECK(has(text, "pyember_tool_call_duration_seconds_sum{tool=\"run_python\"} 0.03"));
  CHECK(has(text, "pyember_tool_call_duration_seconds_bucket{tool=\"run_python\",le=\"0.025\"} 0"));
  CHECK(has(text, "pyember_tool_call_duration_seconds_bucket{tool=\"run_python\",le=\"0.05\"} 1"));
}

TEST_CASE("ServerMetrics: the tools of all workspaces are counted together") {
  Counted counted;
  CHECK(&counted.metrics.meter_of("run_python") == &counted.metrics.meter_of("run_python"));
  CHECK(&counted.metrics.meter_of("run_python") != &counted.metrics.meter_of("list_sessions"));
}

TEST_CASE("ServerMetrics: calls of tools that are not there have one name together") {
  Counted counted;
  counted.metrics.meter_of("").refused();
  CHECK(has(counted.text(), "pyember_tool_calls_total{tool=\"other\",outcome=\"refused\"} 1"));
}

TEST_CASE("ServerMetrics: questions are open until they end") {
  Counted counted;
  CallMeter& meter = counted.metrics.meter_of("run_python");
  meter.asked(InputRequest::Kind::Form);
  meter.asked(InputRequest::Kind::Sampling);
  CHECK(has(counted.text(), "pyember_questions_open 2"));
  meter.question_over(InputRequest::Kind::Form, CallMeter::QuestionEnd::Answered);
  meter.question_over(InputRequest::Kind::Sampling, CallMeter::QuestionEnd::Withdrawn);
  const std::string text = counted.text();
  CHECK(has(text, "pyember_questions_open 0"));
  CHECK(has(text, "pyember_questions_total{kind=\"form\",outcome=\"answered\"} 1"));
  CHECK(has(text, "pyember_questions_total{kind=\"sampling\",outcome=\"withdrawn\"} 1"));
}

TEST_CASE("ServerMetrics: calls of MCP servers are told apart by name, as long as those are few") {
  Counted counted;
  counted.metrics.upstream_call_ended("github", "ok", 20ms);
  counted.metrics.upstream_call_ended("github", "timeout", 2s);
  for (std::size_t i = 0; i < limits::kMeteredUpstreams + 5; ++i) {
    counted.metrics.upstream_call_ended("s" + std::to_string(i), "ok", 1ms);
  }
  const std::string text = counted.text();
  CHECK(has(text, "pyember_upstream_calls_total{server=\"github\",outcome=\"ok\"} 1"));
  CHECK(has(text, "pyember_upstream_calls_total{server=\"github\",outcome=\"timeout\"} 1"));
  CHECK(has(text, "pyember_upstream_call_duration_seconds_count{server=\"github\"} 2"));
  CHECK(has(text, "pyember_upstream_calls_total{server=\"s0\",outcome=\"ok\"} 1"));
  CHECK(has(text, "pyember_upstream_calls_total{server=\"other\",outcome=\"ok\"} 6"));
}

TEST_CASE("ServerMetrics: what stands somewhere anyway is shown as it stands") {
  Counted counted;
  WorkspaceFigures workspaces;
  workspaces.workspaces = 2;
  workspaces.sessions_in(Isolation::Sandbox) = 4;
  workspaces.jobs_that_are(JobStatus::Running) = 5;
  workspaces.tasks.input_required = 6;
  HttpFigures http{7, 8, 9, 10, {{200, 11}, {401, 12}}};
  const std::string text = counted.text(workspaces, http);
  CHECK(has(text, "pyember_workspaces 2"));
  CHECK(has(text, "pyember_sessions{isolation=\"sandbox\"} 4"));
  CHECK(has(text, "pyember_sessions{isolation=\"inprocess\"} 0"));
  CHECK(has(text, "pyember_jobs{status=\"running\"} 5"));
  CHECK(has(text, "pyember_tasks{status=\"input_required\"} 6"));
  CHECK(has(text, "pyember_http_connections 7"));
  CHECK(has(text, "pyember_http_requests_in_flight 8"));
  CHECK(has(text, "pyember_http_streams 9"));
  CHECK(has(text, "pyember_http_sessions 10"));
  CHECK(has(text, "pyember_http_responses_total{code=\"401\"} 12"));
  CHECK(has(text, "pyember_restarts_total 3"));
}

TEST_CASE("ProcessFigures: this process takes something of its machine") {
  const ProcessFigures figures = figures_of_process();
  CHECK(figures.resident_bytes > (1u << 20));
  CHECK(figures.virtual_bytes > figures.resident_bytes);
  CHECK(figures.open_descriptors >= 3);
  CHECK(figures.most_descriptors > figures.open_descriptors);
  CHECK(figures.cpu_seconds > 0);
}
