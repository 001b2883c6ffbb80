#include "host/tools/run_python.h"

#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <utility>

#include "host/tools/background_cell.h"
#include "host/tools/cell_answer.h"
#include "host/tools/install_lines.h"
#include "host/tools/race_call.h"
#include "host/tools/schemas.h"
#include "host/tools/session_wish.h"

namespace pyember::host {

using mcp::Json;

namespace {

// One call that waits for its cell.
class RunPythonCall final : public CellObserver {
 public:
  RunPythonCall(std::shared_ptr<mcp::ToolCall> call, SessionRegistry& registry,
                ProgressTicker& ticker, const RunPythonSettings& settings)
      : call_(std::move(call)), registry_(registry), settings_(settings) {
    if (call_->wants_progress()) feed_ = std::make_unique<ProgressFeed>(ticker, call_);
  }

  void cell_output(Stream, std::string_view bytes) override {
    if (feed_) feed_->output(bytes);
  }

  std::shared_ptr<mcp::ToolCall> client() const override { return call_; }

  void cell_ended(CellEnd end) override {
    if (feed_) feed_->flush();
    mcp::ToolResult answer = answer_for(end, settings_.output_budget);
    const bool linked = answer.content.size() > 1;
    call_->complete(std::move(answer));
    if (linked) registry_.outputs_changed();
  }

 private:
  const std::shared_ptr<mcp::ToolCall> call_;
  SessionRegistry& registry_;
  const RunPythonSettings& settings_;
  std::unique_ptr<ProgressFeed> feed_;
};

Result<std::chrono::milliseconds> timeout_of(const Json& arguments,
                                             const RunPythonSettings& settings) {
  const auto given = arguments.find("timeout");
  if (given == arguments.end() || given->is_null()) return settings.default_timeout;
  const double seconds = given->get<double>();
  const double maximum = static_cast<double>(settings.maximum_timeout.count()) / 1000;
  if (!(seconds > 0) || seconds > maximum) {
    return Error{
        ErrorCode::InvalidArgument,
        fmt::format("The cell was not run: a timeout of {:g} s can't be used, it must be more than "
                    "0 and at most {:g} s. Give another timeout, or leave it out for {:g} s; "
                    "background=true lets a long cell run on while you do other things.",
                    seconds, maximum,
                    static_cast<double>(settings.default_timeout.count()) / 1000)};
  }
  return std::chrono::milliseconds(
      std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(seconds * 1000))));
}

std::string session_of(const Json& arguments) {
  const auto given = arguments.find("session");
  if (given == arguments.end() || given->is_null()) return "main";
  return given->get<std::string>();
}

mcp::ToolResult started(const std::string& session, const BackgroundCell& cell,
                        Isolation isolation) {
  std::string text = fmt::format(
      "Cell {} runs in the background of session '{}'. inspect_session with cell={} shows its "
      "output and outcome; interrupt_session stops it.",
      cell.number, session, cell.number);
  Json notices = Json::array();
  if (cell.job_id.empty()) {
    notices.push_back("The cell is no job: " + cell.problem);
  } else {
    text += fmt::format(" It is job {}.", cell.job_id);
  }
  mcp::ToolResult answer;
  answer.content.push_back(mcp::text_block(std::move(text)));
  answer.structured = {{"status", "running"}, {"stdout", ""},
                       {"stderr", ""},        {"result", nullptr},
                       {"error", nullptr},    {"session", session},
                       {"cell", cell.number}, {"elapsed_seconds", 0.0},
                       {"notices", notices},  {"isolation", to_string(isolation)}};
  if (!cell.job_id.empty()) answer.structured["job_id"] = cell.job_id;
  return answer;
}

// A call that had begun when the server died, as the next server answers it.
mcp::ToolResult lost_with_server(const Json& arguments) {
  constexpr std::string_view kWhat =
      "The server died while the cell ran, and was started again. What the cell did until then "
      "happened, what it printed is gone, and so is the session's state. The next call with this "
      "session's name starts a fresh one: import and define again what you need.";
  const auto given = arguments.find("session");
  const bool named = given != arguments.end() && given->is_string();
  mcp::ToolResult answer = mcp::tool_error(fmt::format("[the session was lost]\n{}", kWhat));
  answer.structured = {{"status", "lost"},
                       {"stdout", ""},
                       {"stderr", ""},
                       {"result", nullptr},
                       {"error", {{"type", "ServerDied"}, {"message", kWhat}, {"traceback", ""}}},
                       {"session", named ? given->get<std::string>() : "main"},
                       {"cell", 0},
                       {"elapsed_seconds", 0.0},
                       {"notices", Json::array()}};
  return answer;
}

// What the tool's handler works with; all of it outlives the calls.
struct Parts {
  SessionRegistry& registry;
  ProgressTicker& ticker;
  JobRegistry& jobs;
  const RunPythonSettings& settings;
};

mcp::ToolResult start_in_background(const Parts& parts, const std::string& session, CellSpec spec) {
  const Result<BackgroundCell> cell = run_in_background(
      parts.registry, parts.jobs, session, std::move(spec), parts.settings.output_budget);
  if (!cell) return mcp::tool_error(cell.error().message);
  return started(session, cell.value(), parts.registry.find(session)->plan().room);
}

void handle(const std::shared_ptr<mcp::ToolCall>& call, const Parts& parts) {
  const Result<std::chrono::milliseconds> timeout = timeout_of(call->arguments(), parts.settings);
  if (!timeout) return call->complete(mcp::tool_error(timeout.error().message));
  const std::string session = session_of(call->arguments());
  Result<std::unique_ptr<SessionWish>> wish = wish_in(call->arguments());
  if (!wish) return call->complete(mcp::tool_error(wish.error().message));
  if (speaks_of_race(call->arguments())) {
    return begin_race_call(call, {parts.registry, parts.ticker, parts.settings}, session,
                           timeout.value(), wish.take());
  }
  const auto background = call->arguments().find("background");
  CellSpec spec;
  spec.timeout = timeout.value();
  spec.background =
      background != call->arguments().end() && background->is_boolean() && background->get<bool>();
  Json arguments = call->take_arguments();
  spec.code = std::move(arguments["code"].get_ref<std::string&>());
  if (spec.code.size() > limits::kMaximumCodeBytes) {
    return call->complete(mcp::tool_error(fmt::format(
        "The cell was not run: its code is {} bytes long and the limit is {}. Write data to a file "
        "in pieces, or split the code into several cells.",
        spec.code.size(), limits::kMaximumCodeBytes)));
  }
  spec.wish = wish.take();
  spec.trace = call->trace();
  if (auto taken = take_install_lines(spec.code, spec.wish); !taken) {
    return call->complete(mcp::tool_error(taken.error().message));
  }
  if (spec.background) {
    call->begin();
    return call->complete(start_in_background(parts, session, std::move(spec)));
  }
  spec.begun = call->begun_mark();
  auto observer =
      std::make_unique<RunPythonCall>(call, parts.registry, parts.ticker, parts.settings);
  const Result<embed::CellNumber> number =
      parts.registry.run(session, std::move(spec), std::move(observer));
  if (!number) return call->complete(mcp::tool_error(number.error().message));
  call->on_cancel([&registry = parts.registry, session, cell = number.value()] {
    registry.cancel(session, cell);
  });
}

}  // namespace

mcp::Tool run_python_tool(SessionRegistry& registry, ProgressTicker& ticker, JobRegistry& jobs,
                          const RunPythonSettings& settings) {
  const auto in_seconds = [](std::chrono::milliseconds duration) {
    return static_cast<double>(duration.count()) / 1000;
  };
  Json properties = Json::object();
  properties["code"] = {
      {"type", "string"},
      {"description", "Python source; the value of a last expression is the result"}};
  properties["session"] =
      session_argument("name of the session, default 'main'; a new name opens one");
  properties["timeout"] = {
      {"type", "number"},
      {"description",
       fmt::format("seconds the cell may run, default {:g}, at most {:g}",
                   in_seconds(settings.default_timeout), in_seconds(settings.maximum_timeout))}};
  properties["background"] = {
      {"type", "boolean"},
      {"description", "answer at once; inspect_session shows the cell and its output"}};
  if (settings.chooses_isolation) {
    add_race_properties(properties);
    add_wish_properties(properties);
  }
  mcp::Tool tool;
  tool.name = "run_python";
  tool.title = "Run Python";
  tool.description =
      "Runs Python in a persistent session: variables, imports and definitions stay for the next "
      "call. Like a notebook cell: print freely, end with an expression to get its value, use "
      "top-level await. Sessions are independent and run in parallel; calls to one session run in "
      "order. A cell that runs past its timeout is stopped and the session stays usable.";
  tool.input_schema = {{"type", "object"},
                       {"properties", properties},
                       {"required", {"code"}},
                       {"additionalProperties", false}};
  tool.output_schema = cell_output_schema();
  if (settings.chooses_isolation) add_race_fields(tool.output_schema["properties"]);
  tool.annotations = annotations({.destructive = true, .open_world = true});
  tool.begins = mcp::Tool::Begins::WhenItSays;
  tool.tasking = mcp::Tool::Tasking::Optional;
  tool.lost = lost_with_server;
  tool.handler = [parts = Parts{registry, ticker, jobs, settings}](
                     const std::shared_ptr<mcp::ToolCall>& call) { handle(call, parts); };
  return tool;
}

}  // namespace pyember::host
