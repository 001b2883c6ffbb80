// A gate that a test in Python asks: its settings are a JSON object in the first argument, requests
// and answers are lines of JSON on stdin and stdout. Each request has an "id"; answers come as they
// are ready. It ends with stdin.

#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>

#include "host/http/gate/gate.h"
#include "host/logging.h"
#include "host/loop/event_loop.h"
#include "host/loop/uv_handle.h"
#include "mcp/json_members.h"

using namespace pyember;
using namespace pyember::host;
using mcp::Json;

extern "C" PublicKey* pyember_read_public_key(const char* jwk, std::size_t size);

namespace {

GateSettings settings_from(const Json& json) {
  GateSettings settings;
  settings.address = json.value("address", settings.address);
  settings.path = json.value("path", settings.path);
  settings.allowed_hosts = mcp::texts_in(json, "allowed_hosts");
  settings.allowed_origins = mcp::texts_in(json, "allowed_origins");
  settings.token_file = mcp::text_in(json, "token_file");
  settings.oauth_issuer = mcp::text_in(json, "oauth_issuer");
  settings.oauth_audience = mcp::text_in(json, "oauth_audience");
  settings.oauth_keys = mcp::text_in(json, "oauth_keys");
  settings.requests_per_second = json.value("requests_per_second", settings.requests_per_second);
  return settings;
}

void print(const Json& json) {
  std::fputs((mcp::to_json_text(json) + "\n").c_str(), stdout);
  std::fflush(stdout);
}

Json in_json(const HttpReply& reply) {
  Json fields = Json::object();
  for (const mcp::HttpField& each : reply.fields) fields[each.name] = each.value;
  return {{"status", reply.status}, {"headers", fields}, {"body", reply.body}};
}

bool same_name(std::string_view left, std::string_view right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](unsigned char a, unsigned char b) { return tolower(a) == tolower(b); });
}

class Driver {
 public:
  explicit Driver(GateSettings settings)
      : gate_(loop_, std::move(settings), pyember_read_public_key),
        input_(loop_, STDIN_FILENO, [this](int) { read_some(); }) {}

  void run() {
    input_.start(UV_READABLE);
    Json ready{{"ready", true}};
    print(ready);
    loop_.run();
  }

 private:
  void read_some() {
    char bytes[65536];
    const ssize_t size = read(STDIN_FILENO, bytes, sizeof bytes);
    if (size <= 0) return loop_.stop();
    text_.append(bytes, static_cast<std::size_t>(size));
    for (std::size_t end = text_.find('\n'); end != std::string::npos; end = text_.find('\n')) {
      ask(mcp::parse_json(text_.substr(0, end)).take());
      text_.erase(0, end + 1);
    }
  }

  void ask(const Json& asked) {
    const auto fields = std::make_shared<Json>(asked.value("headers", Json::object()));
    mcp::HttpRequest request{.method = asked.value("method", "POST"),
                             .path = asked.value("path", "/mcp"),
                             .query = mcp::text_in(asked, "query"),
                             .peer = asked.value("peer", "127.0.0.1")};
    request.header = [fields](std::string_view name) -> std::optional<std::string_view> {
      for (const auto& [key, value] : fields->items()) {
        if (same_name(key, name)) return std::string_view(value.get_ref<const std::string&>());
      }
      return std::nullopt;
    };
    const Json id = asked.value("id", Json());
    if (const std::optional<HttpReply> reply = gate_.at_door(request)) {
      Json answer = in_json(*reply);
      answer["id"] = id;
      return print(answer);
    }
    gate_.admit(request, [this, id, tool = mcp::text_in(asked, "tool")](
                             std::variant<Caller, HttpReply> outcome) {
      Json answer = told(outcome, tool);
      answer["id"] = id;
      print(answer);
    });
  }

  Json told(const std::variant<Caller, HttpReply>& outcome, const std::string& tool) {
    if (const HttpReply* reply = std::get_if<HttpReply>(&outcome)) return in_json(*reply);
    const Caller& caller = std::get<Caller>(outcome);
    if (!tool.empty() && caller.may_call && !caller.may_call(tool)) {
      return in_json(gate_.insufficient_scope(caller, tool));
    }
    return {{"status", 200},
            {"principal", caller.principal},
            {"shown", caller.shown},
            {"scopes", caller.scopes},
            {"still", gate_.still_admits(caller)}};
  }

  EventLoop loop_;
  Gate gate_;
  Poll input_;
  std::string text_;
};

}  // namespace

int main(int argc, char** argv) {
  log_to_stderr("info");
  const Result<Json> json = mcp::parse_json(argc > 1 ? argv[1] : "{}");
  if (!json) return 2;
  const GateSettings settings = settings_from(json.value());
  if (const Result<void> checked = check_gate(settings); !checked) {
    Json answer{{"refused", checked.error().message}};
    print(answer);
    return 2;
  }
  Driver(settings).run();
}
