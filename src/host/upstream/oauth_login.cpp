#include "host/upstream/oauth_login.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "base/limits.h"
#include "host/upstream/http_headers.h"
#include "mcp/json_members.h"

namespace pyember::host {

namespace {

bool has(const std::vector<std::string>& values, std::string_view wanted) {
  return std::find(values.begin(), values.end(), wanted) != values.end();
}

bool has_scope(const std::string& scopes, std::string_view wanted) {
  return united_scopes(scopes, wanted) == scopes;
}

HttpHeaders configured_headers(const UpstreamDefinition& upstream) {
  return {upstream.headers.begin(), upstream.headers.end()};
}

}  // namespace

OAuthLogin::OAuthLogin(EventLoop& loop, HttpClient& client, const UpstreamDefinition& upstream,
                       OAuthLoginSettings settings, Show show, Done done)
    : loop_(loop),
      client_(client),
      upstream_(upstream),
      settings_(std::move(settings)),
      show_(std::move(show)),
      done_(std::move(done)),
      file_(settings_.token_folder, upstream.url),
      before_(file_.read()),
      soon_(loop, [this] { end(*failure_); }) {
  const std::optional<HttpUrl> server = parse_http_url(upstream.url);
  const std::optional<std::string> mistake = mistake_in_headers(upstream.headers);
  if (!server || mistake) {
    fail({ErrorCode::InvalidArgument, server ? "Its headers can't be sent: " + *mistake + "."
                                             : "Its url is no address of http or https."});
    return;
  }
  discovery_ = std::make_unique<OAuthDiscovery>(
      client_, *server, configured_headers(upstream),
      [this](Result<OAuthPlace> place) { take_place(std::move(place)); });
}

void OAuthLogin::take_place(Result<OAuthPlace> place) {
  if (!place) return fail(place.error());
  place_ = place.take();
  tokens_.server = upstream_.url;
  tokens_.issuer = place_.authorization.issuer;
  tokens_.token_endpoint = place_.authorization.token_endpoint;
  tokens_.resource = place_.resource;
  listener_ = std::make_unique<OAuthListener>(
      loop_, [this](std::string_view query) { return called(query); });
  const Result<std::string> address = listener_->start(settings_.port);
  if (!address) return fail(address.error());
  come_back_ = address.value();
  choose_client();
}

// --- who we are to the authorization server
// --------------------------------------------------------

void OAuthLogin::choose_client() {
  if (!settings_.client_id.empty()) {
    tokens_.client_id = settings_.client_id;
    tokens_.client_secret = settings_.client_secret;
    choose_client_auth();
    return show();
  }
  if (!settings_.client_url.empty() && place_.authorization.takes_client_urls) {
    tokens_.client_id = settings_.client_url;
    tokens_.client_auth = "none";
    return show();
  }
  if (!place_.authorization.registration_endpoint.empty()) return register_client();
  fail({ErrorCode::InvalidArgument,
        "Its authorization server does not let clients register themselves. Register one there by "
        "hand, with http://127.0.0.1/callback as the address to come back to (or one with a port "
        "of your choice, and give --port), and name it with --client-id."});
}

void OAuthLogin::choose_client_auth() {
  const std::vector<std::string>& methods = place_.authorization.client_auth_methods;
  if (tokens_.client_secret.empty()) {
    tokens_.client_auth = "none";
  } else {
    // Where nothing is said, it is basic (RFC 8414).
    const bool post = has(methods, "client_secret_post") && !has(methods, "client_secret_basic");
    tokens_.client_auth = post ? "client_secret_post" : "client_secret_basic";
  }
}

void OAuthLogin::register_client() {
  const std::vector<std::string>& methods = place_.authorization.client_auth_methods;
  const bool open = methods.empty() || has(methods, "none");
  const char* method = open                                  ? "none"
                       : has(methods, "client_secret_basic") ? "client_secret_basic"
                                                             : "client_secret_post";
  mcp::Json body = {
      {"client_name", "pyember"},      {"application_type", "native"},
      {"redirect_uris", {come_back_}}, {"grant_types", {"authorization_code", "refresh_token"}},
      {"response_types", {"code"}},    {"token_endpoint_auth_method", method}};
  if (const std::string scope = wanted_scope(); !scope.empty()) body["scope"] = scope;
  HttpRequest request{
      .method = "POST",
      .url = place_.authorization.registration_endpoint,
      .headers = {{"Content-Type", "application/json"}, {"Accept", "application/json"}},
      .body = mcp::to_json_text(body)};
  tokens_.client_auth = method;
  fetch_ = std::make_unique<HttpFetch>(
      client_, std::move(request), [this](Result<Fetched> answer) { take_registration(answer); });
}

void OAuthLogin::take_registration(const Result<Fetched>& answer) {
  const std::string id = answer ? mcp::text_in(answer.value().json, "client_id") : "";
  if (id.empty() || !answer.value().success()) {
    const std::string why = answer ? fmt::format("HTTP status {}, {}", answer.value().head.status,
                                                 told_error(answer.value().json))
                                   : answer.error().message;
    return fail(
        {ErrorCode::Unavailable,
         fmt::format("Its authorization server did not register this program ({}). Register "
                     "a client there by hand, and name it with --client-id.",
                     why)});
  }
  tokens_.client_id = id;
  tokens_.client_secret = mcp::text_in(answer.value().json, "client_secret");
  const std::string method = mcp::text_in(answer.value().json, "token_endpoint_auth_method");
  if (method == "none" || method == "client_secret_basic" || method == "client_secret_post") {
    tokens_.client_auth = method;
  } else if (!tokens_.client_secret.empty() && tokens_.client_auth == "none") {
    choose_client_auth();
  }
  show();
}

// --- the user's part
// -------------------------------------------------------------------------------

// What the server asks for, or else all it has; with what was missing before, and what the user
// wants. Where a token can be renewed only when that is asked for, it is.
std::string OAuthLogin::wanted_scope() const {
  std::string scope =
      place_.challenge_scope.empty() ? place_.resource_scopes : place_.challenge_scope;
  if (!before_.wanted_scope.empty()) {
    scope = united_scopes(scope, united_scopes(before_.scope, before_.wanted_scope));
  }
  scope = united_scopes(scope, settings_.scope);
  if (!scope.empty() && has_scope(place_.authorization.scopes, "offline_access")) {
    scope = united_scopes(scope, "offline_access");
  }
  return scope;
}

void OAuthLogin::show() {
  FormFields fields = {{"response_type", "code"},
                       {"client_id", tokens_.client_id},
                       {"redirect_uri", come_back_},
                       {"state", state_},
                       {"code_challenge", code_challenge(verifier_)},
                       {"code_challenge_method", "S256"}};
  if (!tokens_.resource.empty()) fields.emplace_back("resource", tokens_.resource);
  tokens_.scope = wanted_scope();
  if (!tokens_.scope.empty()) fields.emplace_back("scope", tokens_.scope);
  if (has_scope(tokens_.scope, "offline_access")) fields.emplace_back("prompt", "consent");
  const std::string& endpoint = place_.authorization.authorization_endpoint;
  show_(endpoint + (endpoint.find('?') == std::string::npos ? "?" : "&") + form_text(fields));
}

bool OAuthLogin::take_answer(std::string_view address) {
  const std::size_t mark = address.find('?');
  if (come_back_.empty() || answered_ || mark == std::string_view::npos) return false;
  called(address.substr(mark + 1));
  return answered_;
}

std::string OAuthLogin::called(std::string_view query) {
  // Anybody on this machine can call: what does not know the state changes nothing.
  if (answered_ || form_value(query, "state") != state_) {
    return "This is not the answer to a login that waits for one.";
  }
  answered_ = true;
  const std::string issuer = form_value(query, "iss");
  const bool wrong_issuer =
      issuer.empty() ? place_.authorization.names_itself : issuer != place_.authorization.issuer;
  if (wrong_issuer) {
    fail({ErrorCode::Unavailable,
          "The answer came from another authorization server than the one that was asked. The "
          "login was given up, and nothing was sent to either."});
    return "The login failed: the answer is not from where it should be.";
  }
  const std::string code = form_value(query, "code");
  if (code.empty()) {
    const std::string told =
        told_error({{"error", form_value(query, "error")},
                    {"error_description", form_value(query, "error_description")}});
    fail({ErrorCode::Unavailable, fmt::format("Its authorization server refused the login: {}.",
                                              told.empty() ? "without a word" : told)});
    return "The login was refused. The terminal says more.";
  }
  redeem(code);
  return "The login is being completed; see the terminal. You can close this window.";
}

// --- tokens
// ----------------------------------------------------------------------------------------

void OAuthLogin::redeem(const std::string& code) {
  FormFields fields = {{"grant_type", "authorization_code"},
                       {"code", code},
                       {"redirect_uri", come_back_},
                       {"code_verifier", verifier_}};
  fetch_ = std::make_unique<HttpFetch>(client_, token_request(tokens_, std::move(fields)),
                                       [this](Result<Fetched> answer) { take_tokens(answer); });
}

void OAuthLogin::take_tokens(const Result<Fetched>& answer) {
  if (!answer) return fail(answer.error());
  const Result<void> granted =
      take_grant(tokens_, answer.value(), static_cast<std::int64_t>(std::time(nullptr)));
  if (!granted) return fail(granted.error());
  const Result<void> written = file_.write(tokens_);
  if (!written) return fail(written.error());
  end(tokens_);
}

void OAuthLogin::fail(const Error& error) {
  failure_ = Error{error.code,
                   fmt::format("'{}' was not logged in at. {}{} Then try again.", upstream_.name,
                               error.message, error.message.ends_with('.') ? "" : ".")};
  soon_.start({});
}

void OAuthLogin::end(Result<OAuthTokens> result) {
  if (const Done done = std::exchange(done_, nullptr)) done(std::move(result));
}

}  // namespace pyember::host
