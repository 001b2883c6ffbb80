#include "conformance/upstream_user.h"

#include <unistd.h>

#include <utility>

#include "base/check.h"
#include "host/upstream/http_url.h"
#include "mcp/json_members.h"

namespace pyember::test {

using namespace host;
using mcp::Json;

namespace {

constexpr std::size_t kPatience = 2;  // logins that a person is ready to do
// Where the suites expect the document that tells of a client.
constexpr const char* kClientUrl = "https://conformance-test.local/client-metadata.json";
constexpr const char* kLoginWanted = "`pyember upstreams login";

Json some_value(const Json& field) {
  const std::string type = mcp::text_in(field, "type");
  if (type == "integer" || type == "number") return 1;
  if (type == "boolean") return true;
  return "something";
}

// What a form asks for, as somebody gives it who changes nothing that has a value.
Json filled_in(const Json& schema) {
  Json content = Json::object();
  const auto fields = schema.is_object() ? schema.find("properties") : schema.end();
  if (fields == schema.end() || !fields->is_object()) return content;
  for (const auto& [name, field] : fields->items()) {
    if (field.contains("default")) content[name] = field["default"];
  }
  for (const std::string& name : mcp::texts_in(schema, "required")) {
    if (!content.contains(name)) content[name] = some_value(fields->value(name, Json::object()));
  }
  return content;
}

}  // namespace

UpstreamUser::UpstreamUser(Settings settings) : settings_(std::move(settings)) {
  int ends[2];
  CHECK(pipe(ends) == 0);
  for (int end : {0, 1}) never_[end] = UniqueFd(ends[end]);
  stays_.emplace(loop_, ends[0], [](int) {}).start(UV_READABLE);
  definition_.name = definition_.alias = "conformance";
  definition_.kind = UpstreamDefinition::Kind::Http;
  definition_.url = settings_.url;
  definition_.source = "the suite";
  upstream_settings_.transport.token_folder = settings_.token_folder;
  upstream_settings_.capabilities = {{"elicitation", {{"form", Json::object()}}}};
}

UpstreamUser::~UpstreamUser() = default;

Result<Json> UpstreamUser::request(const std::string& method, const Json& params) {
  return with_logins([&](mcp::Client& client, mcp::Client::Done done) {
    client.request(method, params, std::move(done));
  });
}

Result<Json> UpstreamUser::list(const std::string& method, const std::string& member) {
  Result<Json> listed = with_logins(
      [&](mcp::Client& client, mcp::Client::Done done) { client.list(method, std::move(done)); });
  if (!listed) return listed;
  return listed.value()[member];
}

bool UpstreamUser::offers(std::string_view capability) {
  return connection_ && connection_->client().offers(capability);
}

// What pyember says of a login is what a person acts upon.
Result<Json> UpstreamUser::with_logins(const Ask& ask) {
  while (true) {
    Result<Json> answer = once(ask);
    if (answer || answer.error().message.find(kLoginWanted) == std::string::npos ||
        logins_ == kPatience) {
      return answer;
    }
    ++logins_;
    if (const std::optional<std::string> why = log_in()) return Error{ErrorCode::Unavailable, *why};
  }
}

Result<Json> UpstreamUser::once(const Ask& ask) {
  if (!connection_ || failure_) {
    if (const auto why = connect()) return Error{ErrorCode::Unavailable, *why};
  }
  std::optional<mcp::ClientAnswer> answer;
  ask(connection_->client(), [&](mcp::ClientAnswer got) {
    answer = std::move(got);
    loop_.stop();
  });
  while (!answer && !failure_) loop_.run();
  if (!answer) return Error{ErrorCode::Unavailable, *failure_};
  if (answer->error) return Error{ErrorCode::Unavailable, answer->error->message};
  return std::move(answer->result);
}

std::optional<std::string> UpstreamUser::connect() {
  failure_.reset();
  UpstreamConnection::Owner& owner = *this;
  connection_ = std::make_unique<UpstreamConnection>(loop_, definition_, upstream_settings_,
                                                     settings_.try_handshake, owner);
  connection_->start();
  while (!failure_ && !connection_->client().ready()) loop_.run();
  return failure_;
}

void UpstreamUser::connection_failed(const std::string& why) {
  failure_ = why;
  loop_.stop();
}

void UpstreamUser::connection_is_asked(mcp::ClientAsked asked) {
  mcp::Client& client = connection_->client();
  if (const std::string tool = std::exchange(call_when_asked_, {}); !tool.empty()) {
    client.request(
        "tools/call", Json{{"name", tool}, {"arguments", Json::object()}},
        [this, asked = std::move(asked)](const mcp::ClientAnswer&) { connection_is_asked(asked); });
    return;
  }
  const auto schema = asked.params.find("requestedSchema");
  client.answer_question(
      asked.question,
      {Json{{"action", "accept"},
            {"content", filled_in(schema != asked.params.end() ? *schema : Json::object())}},
       std::nullopt});
}

std::optional<std::string> UpstreamUser::log_in() {
  if (!browser_) browser_.emplace(loop_);
  std::optional<Result<OAuthTokens>> result;
  OAuthLogin login(
      loop_, *browser_, definition_,
      OAuthLoginSettings{.token_folder = settings_.token_folder,
                         .client_id = settings_.client_id,
                         .client_secret = settings_.client_secret,
                         .client_url = kClientUrl,
                         .scope = {}},
      [this](const std::string& address) { visit(address); },
      [&](Result<OAuthTokens> got) {
        result = std::move(got);
        loop_.stop();
      });
  while (!result) loop_.run();
  page_.reset();
  if (*result) return std::nullopt;
  return result->error().message;
}

// As a browser does: the page sends it back to where the login waits.
void UpstreamUser::visit(const std::string& address) {
  page_ = std::make_unique<HttpFetch>(*browser_, HttpRequest{.method = "GET", .url = address},
                                      [this](Result<Fetched> page) {
                                        if (!page || page.value().head.status / 100 != 3) return;
                                        visit(std::string(page.value().head.header("location")));
                                      });
}

void UpstreamUser::end() {
  if (!connection_ || failure_) return;
  bool ended = false;
  connection_->end([&] {
    ended = true;
    loop_.stop();
  });
  while (!ended) loop_.run();
}

}  // namespace pyember::test
