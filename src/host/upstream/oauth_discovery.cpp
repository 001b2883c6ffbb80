#include "host/upstream/oauth_discovery.h"

#include <algorithm>
#include <array>
#include <utility>

#include "mcp/json_members.h"
#include "mcp/protocol.h"

namespace pyember::host {

namespace {

// Requests that need no session and have no effect. A server that wants a token says so before
// anything else, but some let those pass that begin a connection of the handshake era.
struct Question {
  const char* version;  // of the protocol; null: a header does not say
  const char* method;
  const char* body;
};

#define PYEMBER_CLIENT_INFO R"({"name":"pyember","version":")" PYEMBER_VERSION R"("})"
constexpr std::array<Question, 2> kQuestions = {{
    {"2026-07-28", "server/discover",
     R"({"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{)"
     R"("io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
     R"("io.modelcontextprotocol/clientInfo":)" PYEMBER_CLIENT_INFO
     R"(,"io.modelcontextprotocol/clientCapabilities":{}}}})"},
    {nullptr, "initialize",
     R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",)"
     R"("capabilities":{},"clientInfo":)" PYEMBER_CLIENT_INFO "}}"},
}};
#undef PYEMBER_CLIENT_INFO

}  // namespace

OAuthDiscovery::OAuthDiscovery(HttpClient& client, HttpUrl server, HttpHeaders headers, Done done)
    : client_(client),
      server_(std::move(server)),
      headers_(std::move(headers)),
      done_(std::move(done)) {
  ask_server();
}

void OAuthDiscovery::ask_server() {
  const Question& question = kQuestions[asked_++];
  HttpRequest request{
      .method = "POST", .url = server_.text(), .headers = headers_, .body = question.body};
  request.headers.emplace_back("Content-Type", "application/json");
  request.headers.emplace_back("Accept", "application/json, text/event-stream");
  if (question.version != nullptr) {
    request.headers.emplace_back("MCP-Protocol-Version", question.version);
    request.headers.emplace_back("Mcp-Method", question.method);
  }
  fetch_ = std::make_unique<HttpFetch>(client_, std::move(request),
                                       [this](Result<Fetched> answer) { take_challenge(answer); });
}

void OAuthDiscovery::take_challenge(const Result<Fetched>& answer) {
  refused_ = answer && (answer.value().head.status == 401 || answer.value().head.status == 403);
  if (!refused_ && asked_ < kQuestions.size()) return ask_server();
  if (!answer) {
    return end(
        Error{answer.error().code, "It could not be reached: " + answer.error().message + "."});
  }
  const OAuthChallenge challenge = challenge_of(answer.value().head);
  found_.challenge_scope = challenge.scope;
  places_ = resource_metadata_places(server_, challenge.resource_metadata);
  std::reverse(places_.begin(), places_.end());
  ask_next();
}

void OAuthDiscovery::ask_next() {
  while (!places_.empty()) {
    const std::optional<HttpUrl> place = parse_http_url(places_.back());
    places_.pop_back();
    // Metadata is no secret, but a server elsewhere shall not have us look around on this machine.
    const bool allowed = place && (may_be_asked(*place, server_) || place->same_origin(server_));
    if (!allowed) continue;
    HttpRequest request{
        .method = "GET",
        .url = place->text(),
        .headers = {{"Accept", "application/json"}, {"MCP-Protocol-Version", "2025-11-25"}}};
    fetch_ = std::make_unique<HttpFetch>(client_, std::move(request),
                                         [this](Result<Fetched> answer) { take_metadata(answer); });
    return;
  }
  none_left();
}

void OAuthDiscovery::take_metadata(const Result<Fetched>& answer) {
  if (!answer || !answer.value().success() || !answer.value().json.is_object()) return ask_next();
  const mcp::Json& json = answer.value().json;
  if (step_ == Step::Resource) return take_resource(json);
  Result<AuthorizationServer> read = read_issuer_metadata(json, issuer_, server_);
  if (!read) return end(read.error());
  found_.authorization = read.take();
  end(std::move(found_));
}

void OAuthDiscovery::take_resource(const mcp::Json& json) {
  const Result<ResourceMetadata> metadata = read_resource_metadata(json, server_);
  if (!metadata) return end(metadata.error());
  found_.resource = metadata.value().resource;
  found_.resource_scopes = metadata.value().scopes;
  look_for_issuer(metadata.value().authorization_servers.front());
}

void OAuthDiscovery::look_for_issuer(const std::string& issuer) {
  step_ = Step::Issuer;
  issuer_ = found_.resource.empty() ? "" : issuer;
  places_ = issuer_metadata_places(*parse_http_url(issuer));
  std::reverse(places_.begin(), places_.end());
  ask_next();
}

void OAuthDiscovery::none_left() {
  if (step_ == Step::Resource) {
    if (!refused_) {
      return end(Error{ErrorCode::NotFound,
                       "It wants no login: it answers without one, and says "
                       "nothing about where to log in."});
    }
    return look_for_issuer(server_.origin());  // as in 2025-03-26
  }
  if (found_.resource.empty()) {
    if (!may_be_asked(server_, server_)) {
      return end(Error{ErrorCode::Unavailable,
                       "Its address is one of http. A login there could be read on the way."});
    }
    found_.authorization = usual_authorization_server(server_);
    return end(std::move(found_));
  }
  end(Error{ErrorCode::Unavailable,
            "The authorization server that it names has no metadata. "
            "Without that it is not known where to log in."});
}

void OAuthDiscovery::end(Result<OAuthPlace> result) {
  const Done done = std::exchange(done_, nullptr);
  done(std::move(result));
}

}  // namespace pyember::host
