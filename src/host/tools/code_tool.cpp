#include "host/tools/code_tool.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <string_view>
#include <utility>

#include "host/tools/code_answer.h"
#include "host/tools/code_texts.h"
#include "host/tools/fresh_sessions.h"
#include "host/tools/imported_packages.h"
#include "host/tools/install_lines.h"
#include "host/tools/schemas.h"

namespace pyember::host {

using mcp::Json;

namespace {

constexpr std::string_view kDescription =
    "Runs Python in a session that lasts: variables, imports and files in /tmp are there in the "
    "next call. The code calls the tools of every configured MCP server; they are listed nowhere "
    "else. Shows what is printed and a last expression's value; top-level await works.";

constexpr std::array<std::string_view, 4> kArguments = {"code", "servers", "timeout", "session"};

// What the calls have in common; all of it outlives them.
struct Parts {
  SessionRegistry& registry;
  ProgressTicker& ticker;
  const CodeToolSettings settings;
  FreshSessions fresh;
  std::optional<ImportedPackages> imports;
};

// One call's arguments, read.
struct Order {
  std::string code;
  std::string session = "main";
  CodeCall call;
};

// A call that waits for its cell.
class WaitingCall final : public CellObserver {
 public:
  WaitingCall(std::shared_ptr<mcp::ToolCall> call, std::shared_ptr<Parts> parts, CodeCall order)
      : call_(std::move(call)), parts_(std::move(parts)), order_(std::move(order)) {
    if (call_->wants_progress()) feed_ = std::make_unique<ProgressFeed>(parts_->ticker, call_);
  }

  void cell_output(Stream, std::string_view bytes) override {
    if (feed_) feed_->output(bytes);
  }

  std::shared_ptr<mcp::ToolCall> client() const override { return call_; }

  void cell_ended(CellEnd end) override {
    if (feed_) feed_->flush();
    const CodeToolSettings& settings = parts_->settings;
    mcp::ToolResult answer =
        code_answer_for(end, order_, settings.output_mode, settings.output_budget);
    if (!settings.sessions_stay) {
      take_links_out(answer.content);
      parts_->fresh.over(end.session);
    }
    const bool linked = answer.content.size() > 1;
    call_->complete(std::move(answer));
    if (linked) parts_->registry.outputs_changed();
  }

 private:
  // What they lead to goes with the session.
  static void take_links_out(Json& content) {
    Json kept = Json::array();
    for (Json& block : content) {
      if (block.value("type", "") != "resource_link") kept.push_back(std::move(block));
    }
    if (kept.size() < content.size()) {
      kept.push_back(mcp::text_block(
          "[What is not shown here is gone: each call has a session of its own, as "
          "MCP_BRIDGE_SESSION_PERSIST=false asks for. Print less, or show it in parts.]"));
    }
    content = std::move(kept);
  }

  const std::shared_ptr<mcp::ToolCall> call_;
  const std::shared_ptr<Parts> parts_;
  const CodeCall order_;
  std::unique_ptr<ProgressFeed> feed_;
};

const Json* given(const Json& arguments, std::string_view name) {
  const auto found = arguments.find(name);
  return found == arguments.end() || found->is_null() ? nullptr : &*found;
}

bool is_blank(const std::string& text) {
  return text.find_first_not_of(" \t\v\f\r\n") == std::string::npos;
}

std::optional<CodeAnswer> read_servers(const Json& arguments, std::vector<std::string>& servers) {
  const Json* named = given(arguments, "servers");
  if (named == nullptr) return std::nullopt;
  constexpr const char* kAdvice =
      "Name servers as in servers=[\"github\"], or leave it out: all that are configured can be "
      "called then.";
  if (!named->is_array()) return refused("'servers' must be a list", kAdvice);
  for (const Json& each : *named) {
    if (!each.is_string()) return refused("'servers' must be a list of strings", kAdvice);
    const std::string& name = each.get_ref<const std::string&>();
    if (std::find(servers.begin(), servers.end(), name) == servers.end()) servers.push_back(name);
  }
  return std::nullopt;
}

std::optional<CodeAnswer> read_timeout(const Json& arguments, const CodeToolSettings& settings,
                                       std::chrono::milliseconds& timeout) {
  timeout = settings.default_timeout;
  const Json* named = given(arguments, "timeout");
  if (named == nullptr) return std::nullopt;
  const double seconds = named->is_number() ? named->get<double>() : NAN;
  if (!(std::trunc(seconds) == seconds)) {
    return refused("'timeout' must be an integer",
                   "Give whole seconds, or leave it out for the default.");
  }
  const double most = std::max(1.0, static_cast<double>(settings.maximum_timeout.count()) / 1000);
  timeout =
      std::chrono::milliseconds(static_cast<std::int64_t>(std::clamp(seconds, 1.0, most) * 1000));
  return std::nullopt;
}

std::optional<CodeAnswer> read_session(const Json& arguments, std::string& session) {
  const Json* named = given(arguments, "session");
  if (named == nullptr) return std::nullopt;
  if (!named->is_string()) {
    return refused("'session' must be a string", "Name a session, or leave it out for 'main'.");
  }
  session = named->get<std::string>();
  if (const auto fits = check_session_name(session); !fits) {
    return refused("'session' is not a name", fits.error().message);
  }
  return std::nullopt;
}

// What the arguments say, or what is wrong with them.
std::optional<CodeAnswer> read_order(Json arguments, const CodeToolSettings& settings,
                                     Order& order) {
  const auto code = arguments.find("code");
  if (code == arguments.end() || !code->is_string() || is_blank(code->get<std::string>())) {
    return refused("Missing 'code' argument",
                   "Pass Python source as 'code': {\"code\": \"print(1)\"}.");
  }
  for (const auto& [name, value] : arguments.items()) {
    if (std::find(kArguments.begin(), kArguments.end(), name) == kArguments.end()) {
      return refused(fmt::format("Unknown argument '{}'", name.substr(0, 80)),
                     fmt::format("The arguments are {}.", fmt::join(kArguments, ", ")));
    }
  }
  if (auto wrong = read_servers(arguments, order.call.servers)) return wrong;
  if (auto wrong = read_timeout(arguments, settings, order.call.timeout)) return wrong;
  if (auto wrong = read_session(arguments, order.session)) return wrong;
  order.code = std::move(code->get_ref<std::string&>());
  if (order.code.size() <= limits::kMaximumCodeBytes) return std::nullopt;
  return refused("'code' is too long",
                 fmt::format("It has {} bytes, and {} are the limit. Write data to a file in "
                             "pieces, or split the code into several calls.",
                             order.code.size(), limits::kMaximumCodeBytes));
}

// The server could not do what it was asked.
CodeAnswer host_failure(const Error& error) {
  if (error.code == ErrorCode::InvalidArgument)
    return refused(error.message, "The call was refused");
  CodeAnswer answer;
  answer.status = CodeAnswer::Status::Error;
  answer.summary = "Unexpected failure";
  answer.error = error.message;
  return answer;
}

// "Unknown MCP server: x" is what clients look for; behind it stands how to go on.
CodeAnswer refused_servers(const std::string& why) {
  const std::size_t end = why.find(". ");
  if (end == std::string::npos) return refused(why, "Leave 'servers' out to use all of them.");
  return refused(why.substr(0, end), why.substr(end + 2));
}

// A call that had begun when the server died, as the next server answers it.
CodeAnswer lost_with_server() {
  CodeAnswer answer;
  answer.status = CodeAnswer::Status::Error;
  answer.summary = "Sandbox error: the session was lost";
  answer.error =
      "The server died while the code ran, and was started again. What the code did until then "
      "happened, what it printed is gone, and so is the session's state. Import and define again "
      "what you need.";
  return answer;
}

// Adds what the code imports and nobody has installed; the cell is run without what can't be had.
void want_imports(const std::shared_ptr<Parts>& parts, CellSpec& spec) {
  if (!parts->imports) return;
  using Clock = ImportedPackages::Clock;
  std::vector<std::string> missing = parts->imports->missing(spec.code, Clock::now());
  if (missing.empty()) return;
  if (!spec.wish) spec.wish = std::make_unique<SessionWish>();
  spec.wish->imported = std::move(missing);
  spec.wish->not_had = [weak = std::weak_ptr<Parts>(parts)](const std::vector<std::string>& names) {
    if (const auto alive = weak.lock()) alive->imports->failed(names, Clock::now());
  };
}

void handle(const std::shared_ptr<mcp::ToolCall>& call, const std::shared_ptr<Parts>& parts) {
  const CodeToolSettings& settings = parts->settings;
  const auto answer = [&](const CodeAnswer& what) {
    call->complete(rendered(what, settings.output_mode));
  };
  Order order;
  if (const auto wrong = read_order(call->take_arguments(), settings, order)) return answer(*wrong);
  if (!settings.sessions_stay) order.session = parts->fresh.next_name();
  CellSpec spec;
  spec.timeout = order.call.timeout;
  spec.code = std::move(order.code);
  spec.trace = call->trace();
  if (auto taken = take_install_lines(spec.code, spec.wish); !taken) {
    return answer(host_failure(taken.error()));
  }
  if (!order.call.servers.empty() && settings.allow) {
    auto allowed = settings.allow(order.call.servers);
    if (!allowed) return answer(refused_servers(allowed.error().message));
    spec.servers = allowed.take();
  }
  want_imports(parts, spec);
  spec.begun = call->begun_mark();
  auto observer = std::make_unique<WaitingCall>(call, parts, std::move(order.call));
  const Result<embed::CellNumber> number =
      parts->registry.run(order.session, std::move(spec), std::move(observer));
  if (!number) return answer(host_failure(number.error()));
  call->on_cancel([parts, session = order.session, cell = number.value()] {
    parts->registry.cancel(session, cell);
  });
}

Json input_schema(const CodeToolSettings& settings) {
  const auto seconds = [](std::chrono::milliseconds time) {
    return std::max<std::int64_t>(1, time.count() / 1000);
  };
  Json properties = Json::object();
  properties["code"] = {{"type", "string"},
                        {"description", fmt::format("Python source. {}", kHelperHint)}};
  properties["servers"] = {{"type", "array"},
                           {"items", {{"type", "string"}}},
                           {"description", "only these MCP servers; default all"}};
  properties["timeout"] = {{"type", "integer"},
                           {"minimum", 1},
                           {"maximum", seconds(settings.maximum_timeout)},
                           {"default", seconds(settings.default_timeout)},
                           {"description", "seconds"}};
  properties["session"] = session_argument("default main");
  return {{"type", "object"}, {"properties", properties}, {"required", {"code"}}};
}

}  // namespace

void add_code_tool(mcp::ToolCatalog& catalog, EventLoop& loop, SessionRegistry& registry,
                   ProgressTicker& ticker, CodeToolSettings settings) {
  std::optional<ImportedPackages> imports;
  if (settings.package_directories) imports.emplace(std::move(*settings.package_directories));
  // Shared with the calls that wait, which may outlive the catalog.
  const auto parts = std::shared_ptr<Parts>(
      new Parts{registry, ticker, std::move(settings), {loop, registry}, std::move(imports)});
  mcp::Tool tool;
  tool.name = "run_python";
  tool.title = "Run Python";
  tool.description = kDescription;
  tool.input_schema = input_schema(parts->settings);
  tool.annotations = annotations({.destructive = true, .open_world = true});
  tool.begins = mcp::Tool::Begins::WhenItSays;
  tool.tasking = mcp::Tool::Tasking::Optional;
  tool.checks_arguments = true;
  const OutputMode mode = parts->settings.output_mode;
  tool.lost = [mode](const Json&) { return rendered(lost_with_server(), mode); };
  tool.handler = [parts](const std::shared_ptr<mcp::ToolCall>& call) { handle(call, parts); };
  catalog.add(std::move(tool));
  catalog.answer_unknown([mode](std::string_view name) {
    CodeAnswer answer;
    answer.status = CodeAnswer::Status::Error;
    answer.summary = "There is one tool, run_python. Tools of MCP servers are called by its code.";
    answer.error = fmt::format("Unknown tool: {}", name.substr(0, 200));
    return rendered(answer, mode);
  });
}

}  // namespace pyember::host
