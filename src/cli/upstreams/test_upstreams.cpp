#include "cli/upstreams/test_upstreams.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <optional>

#include "cli/upstreams/list_upstreams.h"
#include "cli/upstreams/upstream_texts.h"
#include "host/loop/event_loop.h"
#include "host/loop/loop_poster.h"
#include "host/options.h"
#include "host/upstream/config/load.h"
#include "host/upstream/tools/tool_store.h"
#include "host/upstream/upstreams.h"
#include "mcp/json_members.h"
#include "mcp/protocol.h"

namespace pyember::cli {

using mcp::Json;

namespace {

// What became of one.
struct Outcome {
  Json start;  // what Upstreams::start() answers
  host::SharedTools tools;
  std::optional<host::UpstreamFailure> failure;
};

host::UpstreamSettings settings_for(const UpstreamsCommand& command) {
  host::UpstreamSettings settings;
  settings.transport.runner = host::find_runner();
  settings.transport.token_folder = host::find_state_directory() + "/upstream-tokens";
  if (command.timeout_seconds > 0) {
    settings.start_deadline =
        std::chrono::milliseconds(std::llround(command.timeout_seconds * 1000));
  }
  return settings;
}

class Trial {
 public:
  Trial(const UpstreamsCommand& command, const host::UpstreamConfiguration& configuration)
      : poster_(loop_),
        settings_(settings_for(command)),
        upstreams_(loop_, configuration, settings_),
        store_(tools_folder(), configuration.upstreams,
               [](const std::function<void()>& work) { work(); }) {}

  Outcome run(const host::UpstreamDefinition& definition) {
    Outcome outcome;
    const auto failed = [&](const host::UpstreamAnswer& answer) {
      if (!answer.ok()) outcome.failure = answer.failure;
      return !answer.ok();
    };
    upstreams_.start(definition.name, [&](const host::UpstreamAnswer& started) {
      if (failed(started)) return loop_.stop();
      outcome.start = started.result;
      upstreams_.list(definition.name, "tools/list", settings_.start_deadline,
                      [&](const host::UpstreamAnswer& listed) {
                        if (!failed(listed)) {
                          outcome.tools =
                              store_.put(definition, listed.result.value("tools", Json()),
                                         mcp::number_in(outcome.start, "startSeconds"));
                        }
                        loop_.stop();
                      });
    });
    loop_.run();
    return outcome;
  }

  void end() {
    constexpr std::chrono::seconds kDeadline{10};
    upstreams_.end(kDeadline, [this] { loop_.stop(); });
    loop_.run();
  }

 private:
  host::EventLoop loop_;
  host::LoopPoster poster_;  // also keeps the loop waiting when nothing else does
  const host::UpstreamSettings settings_;
  host::Upstreams upstreams_;
  host::ToolStore store_;
};

bool is_modern(const Outcome& outcome) {
  const auto version = mcp::parse_version(mcp::text_in(outcome.start, "protocolVersion"));
  return version && mcp::is_modern(*version);
}

Json as_json(const host::UpstreamDefinition& definition, const Outcome& outcome) {
  Json result{{"name", definition.name}, {"ok", !outcome.failure}};
  if (outcome.failure) {
    result["kind"] = host::kind_word(outcome.failure->kind);
    result["error"] = outcome.failure->message;
    return result;
  }
  result["start_seconds"] = mcp::number_in(outcome.start, "startSeconds");
  result["protocol"] = mcp::text_in(outcome.start, "protocolVersion");
  result["era"] = is_modern(outcome) ? "modern" : "handshake";
  result["server"] = outcome.start.value("serverInfo", Json());
  Json names = Json::array();
  for (const auto& tool : outcome.tools->tools) names.push_back(tool.name);
  result["tools"] = std::move(names);
  result["schema_tokens"] = schema_tokens(*outcome.tools);
  return result;
}

void write(const host::UpstreamDefinition& definition, const Outcome& outcome) {
  const Terminal out = Terminal::out();
  const std::string name = out.styled(Style::Bold, printable(definition.name));
  if (outcome.failure) {
    out.write_line(name + "  " + out.styled(Style::Red, "failed"));
    std::string_view rest = outcome.failure->message;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      out.write_line("  " + printable(rest.substr(0, end)));
      rest.remove_prefix(std::min(rest.size(), end + 1));
    }
    return;
  }
  const Json about = outcome.start.value("serverInfo", Json());
  out.write_line(fmt::format("{}  {} in {}, {}", name, out.styled(Style::Green, "started"),
                             plain_duration(mcp::number_in(outcome.start, "startSeconds")),
                             tools_and_tokens(*outcome.tools)));
  std::string server = mcp::text_in(about, "name") + " " + mcp::text_in(about, "version");
  if (server == " ") server = "a server that does not say its name";
  out.write_line(
      out.styled(Style::Dim, fmt::format("  {}, MCP {} ({} era)", printable(server),
                                         printable(mcp::text_in(outcome.start, "protocolVersion")),
                                         is_modern(outcome) ? "modern" : "handshake")));
  std::vector<std::string> tools;
  for (const auto& tool : outcome.tools->tools) tools.push_back(tool.name);
  write_wrapped(out, tools, "  ");
}

}  // namespace

int test_upstreams(const UpstreamsCommand& command) {
  const host::UpstreamConfiguration configuration =
      host::load_upstreams(host::find_upstream_config_places(command.files));
  bool complete = true;
  const auto definitions = chosen(configuration.upstreams, command.names, complete);
  if (!complete) return 1;
  Trial trial(command, configuration);
  const Terminal err = Terminal::err();
  ProgressLine progress(err);
  Json results = Json::array();
  int exit_code = 0;
  for (const auto& definition : definitions) {
    progress.show("starting " + printable(definition.name));
    const Outcome outcome = trial.run(definition);
    progress.hide();
    if (outcome.failure) exit_code = 1;
    if (command.json) {
      results.push_back(as_json(definition, outcome));
    } else {
      write(definition, outcome);
    }
  }
  if (command.json) Terminal::out().write_line(pretty(Json{{"servers", std::move(results)}}));
  if (definitions.empty() && !command.json) {
    Terminal::out().write_line("No MCP servers are configured; pyember upstreams list says how.");
  }
  trial.end();
  return exit_code;
}

}  // namespace pyember::cli
