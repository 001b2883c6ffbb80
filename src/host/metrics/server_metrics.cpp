#include "host/metrics/server_metrics.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/iso_time.h"
#include "base/limits.h"
#include "host/loop/event_loop.h"
#include "host/metrics/process_figures.h"

namespace pyember::host {

namespace {

using mcp::CallMeter;
using mcp::InputRequest;

constexpr std::string_view kOther = "other";

constexpr Metric kCalls{"pyember_tool_calls_total",
                        "Calls of tools that are over, by what came of them."};
constexpr Metric kCallSeconds{
    "pyember_tool_call_duration_seconds",
    "From a tool's call to its answer: waiting in queues and for people included."};
constexpr Metric kCallsInFlight{"pyember_tool_calls_in_flight",
                                "Calls of tools that are not over, tasks among them."};
constexpr Metric kQuestions{"pyember_questions_total",
                            "Questions that calls have asked their clients, by how they ended."};
constexpr Metric kOpenQuestions{"pyember_questions_open", "Questions that wait for an answer."};
constexpr Metric kUpstreamCalls{
    "pyember_upstream_calls_total",
    "Calls that code has made of MCP servers behind this one, by what came of them."};
constexpr Metric kUpstreamSeconds{"pyember_upstream_call_duration_seconds",
                                  "From code's call of an MCP server to its answer: the server's "
                                  "start and questions about the call included."};
constexpr Metric kWorkspaces{"pyember_workspaces", "Callers that have something here."};
constexpr Metric kSessions{"pyember_sessions", "Open sessions of all callers, by where they run."};
constexpr Metric kJobs{"pyember_jobs", "Jobs that are kept, of all callers, by status."};
constexpr Metric kTasks{"pyember_tasks", "Tasks that are kept, of all callers, by status."};
constexpr Metric kConnections{"pyember_http_connections", "Connections that are open."};
constexpr Metric kRequests{"pyember_http_requests_in_flight",
                           "Requests whose response is not sent whole, streams among them."};
constexpr Metric kStreams{"pyember_http_streams", "Streams of events that are open."};
constexpr Metric kHttpSessions{"pyember_http_sessions",
                               "Protocol sessions that clients have opened with initialize."};
constexpr Metric kResponses{"pyember_http_responses_total", "Responses over HTTP, by status code."};
constexpr Metric kRestarts{"pyember_restarts_total",
                           "Servers that the supervisor has started after the first one."};
constexpr Metric kBuild{"pyember_build_info", "Always 1; its labels say which program this is."};
constexpr Metric kCpu{"process_cpu_seconds_total",
                      "User and system CPU time spent by the server's own process in seconds."};
constexpr Metric kResident{"process_resident_memory_bytes",
                           "Resident memory of the server's own process in bytes."};
constexpr Metric kVirtual{"process_virtual_memory_bytes",
                          "Virtual memory of the server's own process in bytes."};
constexpr Metric kOpenFds{"process_open_fds", "Open file descriptors."};
constexpr Metric kMostFds{"process_max_fds", "Most file descriptors that may be open."};
constexpr Metric kStart{"process_start_time_seconds",
                        "When the server began, in seconds since 1970."};

// From a warm session's answer to a long script's.
const Histogram::Bounds& call_bounds() {
  static const Histogram::Bounds bounds{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                        0.025,  0.05,    0.1,    0.25,  0.5,    1,     2.5,
                                        5,      10,      30,     60,    300};
  return bounds;
}

constexpr std::array<std::string_view, 4> kOutcomes{"ok", "error", "failed", "cancelled"};
constexpr std::array<std::string_view, 4> kQuestionKinds{"form", "url", "sampling", "roots"};
constexpr std::array<std::string_view, 3> kQuestionEnds{"answered", "refused", "withdrawn"};
static_assert(static_cast<std::size_t>(CallMeter::Outcome::Cancelled) == kOutcomes.size() - 1);
static_assert(static_cast<std::size_t>(InputRequest::Kind::Roots) == kQuestionKinds.size() - 1);
static_assert(static_cast<std::size_t>(CallMeter::QuestionEnd::Withdrawn) ==
              kQuestionEnds.size() - 1);

template <typename Number>
double as_double(Number number) {
  return static_cast<double>(number);
}

double in_seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

// --- calls ---------------------------------------------------------------------------------------

// Places are made when there is something to put into them: a scrape shows the tools that are used.
class ServerMetrics::ToolMeter final : public mcp::CallMeter {
 public:
  ToolMeter(ServerMetrics& all, std::string_view tool) : all_(all), tool_(tool) {}

  std::uint64_t began() override {
    ++all_.calls_in_flight_;
    return all_.clock_();
  }

  void ended(Outcome outcome, std::uint64_t began) override {
    --all_.calls_in_flight_;
    const std::chrono::nanoseconds took(all_.clock_() - began);
    count(ended_[static_cast<std::size_t>(outcome)], kOutcomes[static_cast<std::size_t>(outcome)]);
    if (seconds_ == nullptr) {
      seconds_ = &all_.registry_.histogram(kCallSeconds, call_bounds(), {{"tool", tool_}});
    }
    seconds_->observe(in_seconds(took));
  }

  void refused() override { count(refused_, "refused"); }

  void asked(InputRequest::Kind) override { ++all_.open_questions_; }

  void question_over(InputRequest::Kind kind, QuestionEnd end) override {
    --all_.open_questions_;
    all_.registry_
        .counter(kQuestions, {{"kind", kQuestionKinds[static_cast<std::size_t>(kind)]},
                              {"outcome", kQuestionEnds[static_cast<std::size_t>(end)]}})
        .add();
  }

 private:
  void count(Counter*& counter, std::string_view outcome) {
    if (counter == nullptr) {
      counter = &all_.registry_.counter(kCalls, {{"tool", tool_}, {"outcome", outcome}});
    }
    counter->add();
  }

  ServerMetrics& all_;
  const std::string tool_;
  std::array<Counter*, kOutcomes.size()> ended_{};
  Counter* refused_ = nullptr;
  Histogram* seconds_ = nullptr;
};

ServerMetrics::ServerMetrics(std::uint64_t restarts) : ServerMetrics(restarts, now_ns) {}

ServerMetrics::ServerMetrics(std::uint64_t restarts, Clock clock) : clock_(std::move(clock)) {
  registry_.gauge(kStart).set(unix_now());
  registry_.counter(kRestarts).set(as_double(restarts));
  registry_.gauge(kBuild, {{"version", PYEMBER_VERSION}, {"python", PYEMBER_PYTHON_VERSION}})
      .set(1);
}

ServerMetrics::~ServerMetrics() = default;

mcp::CallMeter& ServerMetrics::meter_of(std::string_view tool) {
  const std::string_view label = tool.empty() ? kOther : tool;
  const auto found = tools_.find(label);
  if (found != tools_.end()) return *found->second;
  return *tools_.emplace(label, std::make_unique<ToolMeter>(*this, label)).first->second;
}

void ServerMetrics::upstream_call_ended(std::string_view server, std::string_view outcome,
                                        std::chrono::nanoseconds took) {
  std::string_view label = server;
  UpstreamMeter& meter = meter_of_upstream(server, label);
  auto calls = meter.calls.find(outcome);
  if (calls == meter.calls.end()) {
    Counter& made = registry_.counter(kUpstreamCalls, {{"server", label}, {"outcome", outcome}});
    calls = meter.calls.emplace(outcome, &made).first;
  }
  calls->second->add();
  meter.seconds->observe(in_seconds(took));
}

ServerMetrics::UpstreamMeter& ServerMetrics::meter_of_upstream(std::string_view server,
                                                               std::string_view& label) {
  auto found = upstreams_.find(server);
  if (found == upstreams_.end()) {
    if (upstreams_.size() >= limits::kMeteredUpstreams) label = kOther;
    found = upstreams_.try_emplace(std::string(label)).first;
    found->second.seconds =
        &registry_.histogram(kUpstreamSeconds, call_bounds(), {{"server", label}});
  }
  return found->second;
}

// --- what is asked for ---------------------------------------------------------------------------

std::string ServerMetrics::text(const WorkspaceFigures& workspaces, const HttpFigures& http) {
  registry_.gauge(kCallsInFlight).set(as_double(calls_in_flight_));
  registry_.gauge(kOpenQuestions).set(as_double(open_questions_));
  show(workspaces);
  show(http);
  show_process();
  return registry_.text();
}

void ServerMetrics::show(const WorkspaceFigures& figures) {
  registry_.gauge(kWorkspaces).set(as_double(figures.workspaces));
  for (const Isolation room :
       {Isolation::InProcess, Isolation::Process, Isolation::Sandbox, Isolation::Container}) {
    registry_.gauge(kSessions, {{"isolation", to_string(room)}})
        .set(as_double(figures.sessions[static_cast<std::size_t>(room)]));
  }
  for (const JobStatus status : {JobStatus::Pending, JobStatus::Running, JobStatus::Completed,
                                 JobStatus::Failed, JobStatus::Cancelled}) {
    registry_.gauge(kJobs, {{"status", to_string(status)}})
        .set(as_double(figures.jobs[static_cast<std::size_t>(status)]));
  }
  const auto task = [this](std::string_view status, std::size_t count) {
    registry_.gauge(kTasks, {{"status", status}}).set(as_double(count));
  };
  task("working", figures.tasks.working);
  task("input_required", figures.tasks.input_required);
  task("completed", figures.tasks.completed);
  task("failed", figures.tasks.failed);
  task("cancelled", figures.tasks.cancelled);
}

void ServerMetrics::show(const HttpFigures& figures) {
  registry_.gauge(kConnections).set(as_double(figures.connections));
  registry_.gauge(kRequests).set(as_double(figures.requests));
  registry_.gauge(kStreams).set(as_double(figures.streams));
  registry_.gauge(kHttpSessions).set(as_double(figures.sessions));
  for (const auto& [status, count] : figures.responses) {
    registry_.counter(kResponses, {{"code", fmt::format("{}", status)}}).set(as_double(count));
  }
}

void ServerMetrics::show_process() {
  const ProcessFigures figures = figures_of_process();
  registry_.counter(kCpu).set(figures.cpu_seconds);
  registry_.gauge(kResident).set(as_double(figures.resident_bytes));
  registry_.gauge(kVirtual).set(as_double(figures.virtual_bytes));
  registry_.gauge(kOpenFds).set(as_double(figures.open_descriptors));
  registry_.gauge(kMostFds).set(as_double(figures.most_descriptors));
}

}  // namespace pyember::host
