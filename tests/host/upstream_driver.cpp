// Upstreams without the rest of the server, for tests with real MCP servers: orders come as lines
// of JSON on stdin, and what becomes of them goes out as lines of JSON on stdout. See
// tests/upstream_servers/driver.py.

#include <unistd.h>

#include <map>
#include <string>

#include "base/file_io.h"
#include "host/logging.h"
#include "host/loop/event_loop.h"
#include "host/loop/uv_handle.h"
#include "host/upstream/upstreams.h"
#include "mcp/json.h"
#include "mcp/json_members.h"

using namespace pyember;
using namespace pyember::host;
using mcp::Json;
using mcp::text_in;

namespace {

constexpr mcp::JsonBounds kBounds{128, 16'384, 4u << 20};

UpstreamConfiguration configured(const Json& servers) {
  UpstreamConfiguration configuration;
  for (const auto& [name, entry] : servers.items()) {
    UpstreamDefinition made;
    made.name = made.alias = name;
    made.kind =
        entry.contains("url") ? UpstreamDefinition::Kind::Http : UpstreamDefinition::Kind::Stdio;
    made.url = text_in(entry, "url");
    made.command = text_in(entry, "command");
    made.arguments = mcp::texts_in(entry, "args");
    made.working_directory = text_in(entry, "cwd");
    if (entry.contains("env")) {
      made.environment = entry["env"].get<std::map<std::string, std::string>>();
    }
    made.source = "the test";
    configuration.upstreams.push_back(std::move(made));
  }
  return configuration;
}

UpstreamSettings settings() {
  UpstreamSettings made;
  made.transport.runner = PYEMBER_RUNNER;
  return made;
}

class Driver {
 public:
  explicit Driver(const Json& servers)
      : upstreams_(loop_, configured(servers), settings()),
        input_(loop_, STDIN_FILENO, [this](int) { read(); }) {
    upstreams_.on_tools([](const UpstreamDefinition& server, const Json& tools, double) {
      Json names = Json::array();
      for (const Json& tool : tools) names.push_back(tool["name"]);
      tell({{"tools", names}, {"server", server.name}});
    });
    input_.start(UV_READABLE);
  }
  void run() { loop_.run(); }

 private:
  void read() {
    char chunk[65536];
    const ssize_t got = ::read(STDIN_FILENO, chunk, sizeof chunk);
    if (got <= 0) return loop_.stop();
    text_.append(chunk, static_cast<std::size_t>(got));
    for (std::size_t end; (end = text_.find('\n')) != std::string::npos;) {
      const std::string line = text_.substr(0, end);
      text_.erase(0, end + 1);
      obey(mcp::parse_json(line, kBounds).take());
    }
  }

  void obey(const Json& order) {
    const auto id = order["id"].get<int>();
    const std::string what = text_in(order, "do");
    const std::string server = text_in(order, "server");
    const std::chrono::milliseconds timeout(
        static_cast<int>(1000 * mcp::number_in(order, "timeout")));
    const auto done = [this, id](const UpstreamAnswer& answer) {
      numbers_.erase(id);
      if (answer.ok()) {
        tell({{"id", id}, {"result", answer.result}});
      } else {
        tell({{"id", id},
              {"failure", kind_word(answer.failure->kind)},
              {"message", answer.failure->message},
              {"code", answer.failure->rpc_code}});
      }
    };
    const auto progress = [id](double done_so_far, std::optional<double> total, std::string_view) {
      tell({{"id", id}, {"progress", {done_so_far, total.value_or(0)}}});
    };
    if (what == "call") {
      numbers_[id] = upstreams_.call_tool(server, text_in(order, "tool"), order["arguments"],
                                          timeout, done, progress);
    } else if (what == "request") {
      upstreams_.request({server, text_in(order, "method"), order["params"], timeout, {}}, done);
    } else if (what == "list") {
      upstreams_.list(server, text_in(order, "method"), timeout, done);
    } else if (what == "start") {
      upstreams_.start(server, done);
    } else if (what == "cancel") {
      upstreams_.cancel(numbers_[order["target"].get<int>()]);
    } else if (what == "describe") {
      tell({{"id", id}, {"result", upstreams_.describe()}});
    } else if (what == "end") {
      upstreams_.end(std::chrono::seconds(30), [id] { tell({{"id", id}, {"result", nullptr}}); });
    }
  }

  static void tell(const Json& what) { write_all(STDOUT_FILENO, mcp::to_json_text(what) + "\n"); }

  EventLoop loop_;
  Upstreams upstreams_;
  Poll input_;
  std::string text_;
  std::map<int, std::uint64_t> numbers_;  // of calls in flight, by the order's id
};

}  // namespace

int main(int, char** argv) {
  log_to_stderr("info");
  Driver(mcp::parse_json(argv[1]).take()).run();
  return 0;
}
