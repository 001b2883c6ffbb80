#include "host/http/gate/authenticator.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/check.h"
#include "base/iso_time.h"
#include "base/limits.h"
#include "host/http/gate/issuer_keys.h"
#include "host/http/gate/jws.h"
#include "host/http/gate/scopes.h"
#include "host/upstream/http_client.h"

namespace pyember::host {

namespace {

bool same_word(std::string_view left, std::string_view right) {
  return std::equal(
      left.begin(), left.end(), right.begin(), right.end(),
      [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
}

// What a header of authorization holds.
struct Credentials {
  bool bearer = false;
  std::string_view token;  // empty: none that could be one
};

bool is_token(std::string_view text) {
  constexpr std::string_view kMore = "-._~+/=";
  return !text.empty() && text.size() <= limits::kBearerBytes &&
         std::all_of(text.begin(), text.end(), [&](unsigned char each) {
           return (each < 0x80 && std::isalnum(each) != 0) ||
                  kMore.find(static_cast<char>(each)) != std::string_view::npos;
         });
}

Credentials credentials_in(std::string_view header) {
  const std::size_t end = std::min(header.find(' '), header.size());
  Credentials found{same_word(header.substr(0, end), "Bearer"), {}};
  header.remove_prefix(end);
  header.remove_prefix(std::min(header.find_first_not_of(' '), header.size()));
  if (found.bearer && is_token(header)) found.token = header;
  return found;
}

// For logs: short, and nothing that could pass for something else there.
std::string shown(std::string_view subject) {
  constexpr std::size_t kShown = 64;
  std::string text(subject.substr(0, kShown));
  for (char& each : text) {
    const auto byte = static_cast<unsigned char>(each);
    if (byte <= ' ' || byte >= 0x7f || each == '"') each = '?';
  }
  return text;
}

Caller made(std::string principal, std::string_view name, std::vector<std::string> scopes,
            std::int64_t valid_until) {
  Caller caller{.principal = std::move(principal),
                .shown = shown(name),
                .scopes = std::move(scopes),
                .valid_until = valid_until};
  const std::vector<std::string>& granted = caller.scopes;
  if (std::find(granted.begin(), granted.end(), kEverything) == granted.end()) {
    caller.may_call = [granted](std::string_view tool) { return may_call(granted, tool); };
  }
  return caller;
}

HttpReply cannot_tell() {
  return refusal(503,
                 "The access token can't be checked now, because the authorization server's keys "
                 "can't be had. Try again later.",
                 {{"Retry-After", std::to_string(limits::kKeysPause / std::chrono::seconds(1))}});
}

}  // namespace

Authenticator::Authenticator(EventLoop& loop, const GateSettings& settings,
                             const Challenges& challenges, ReadPublicKey read_key)
    : settings_(settings), challenges_(challenges) {
  if (settings_.has_tokens()) tokens_.emplace(settings_.token_file);
  if (!settings_.has_oauth()) return;
  CHECK(read_key != nullptr);
  client_ = std::make_unique<HttpClient>(loop);
  keys_ = std::make_unique<IssuerKeys>(
      *client_, IssuerKeys::Source{settings_.oauth_issuer, settings_.oauth_keys}, read_key);
  keys_->fetch_first();
}

Authenticator::~Authenticator() = default;

void Authenticator::authenticate(const mcp::HttpRequest& request, Effort effort, Done done) {
  if (!settings_.authenticates()) return done(Caller{});
  const std::optional<std::string_view> header = request.header("authorization");
  if (!header || header->empty()) return done(challenges_.token_missing());
  const Credentials given = credentials_in(*header);
  if (!given.bearer) return done(challenges_.token_missing());
  if (given.token.empty()) return done(challenges_.malformed());
  if (tokens_) {
    if (std::optional<Caller> caller = from_file(given.token)) return done(std::move(*caller));
  }
  if (keys_ && looks_like_jws(given.token)) {
    return check_signed(std::string(given.token), effort, std::move(done));
  }
  done(challenges_.token_invalid("The access token is not valid, or not any more."));
}

std::optional<Caller> Authenticator::from_file(std::string_view token) {
  if (!token.starts_with(kTokenMark)) return std::nullopt;
  const AccessToken* found = tokens_->find(token, unix_now_seconds());
  if (found == nullptr) return std::nullopt;
  Caller caller = made("token:" + found->name, found->name, found->scopes, found->expires_at);
  caller.token = found->id;
  return caller;
}

void Authenticator::check_signed(std::string token, Effort effort, Done done) {
  const auto admit = [this](const AccessClaims& claims) {
    return made(fmt::format("oauth:{} {}", settings_.oauth_issuer, claims.subject), claims.subject,
                claims.scopes, claims.expires_at + limits::kClockLeeway.count());
  };
  if (const AccessClaims* known = remembered_.find(token, unix_now_seconds()))
    return done(admit(*known));
  Result<Jws> jws = read_jws(token);
  if (!jws) return done(challenges_.token_invalid(jws.error().message));
  // What is wrong with the claims is found first: that costs nothing.
  Result<AccessClaims> claims = read_claims(
      jws.value().claims, {settings_.oauth_issuer, settings_.oauth_audience}, unix_now_seconds());
  if (!claims) return done(challenges_.token_invalid(claims.error().message));
  if (effort == Effort::Cheap) return done(Busy{});
  keys_->check(token, jws.value().algorithm, jws.value().key_id,
               [this, token, admit, claims = claims.take(),
                done = std::move(done)](IssuerKeys::Verdict verdict) {
                 if (verdict == IssuerKeys::Verdict::Unavailable) return done(cannot_tell());
                 if (verdict == IssuerKeys::Verdict::NotSigned) {
                   return done(challenges_.token_invalid(
                       "The access token is not signed by the authorization server."));
                 }
                 remembered_.remember(token, claims, unix_now_seconds());
                 done(admit(claims));
               });
}

bool Authenticator::still_admits(const Caller& caller) {
  const std::int64_t now = unix_now_seconds();
  if (caller.valid_until != 0 && now >= caller.valid_until) return false;
  return caller.token.empty() || (tokens_ && tokens_->has(caller.token, now));
}

}  // namespace pyember::host
