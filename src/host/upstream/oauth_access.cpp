#include "host/upstream/oauth_access.h"

#include <algorithm>
#include <utility>

#include "base/iso_time.h"
#include "base/limits.h"
#include "host/upstream/http_url.h"
#include "host/upstream/oauth_challenge.h"
#include "host/upstream/oauth_request.h"

namespace pyember::host {

namespace {

constexpr std::chrono::milliseconds kLockPause{100};  // between two looks at another's lock

}  // namespace

// One attempt to come to another token than the one that was refused.
class OAuthAccess::Renewal {
 public:
  using Done = std::function<void(std::optional<Error>)>;

  Renewal(OAuthAccess& access, std::string refused, Done done)
      : access_(access),
        refused_(std::move(refused)),
        done_(std::move(done)),
        until_(now_ns() + std::chrono::nanoseconds(limits::kOAuthLockPatience).count()),
        again_(access.loop_, [this] { look(); }) {
    again_.start({});
  }

 private:
  void look() {
    access_.tokens_ = access_.file_.read();
    if (there_is_another()) return end(std::nullopt);
    if (access_.tokens_.refresh_token.empty()) {
      return end(Error{ErrorCode::Unavailable, access_.tokens_.access_token.empty()
                                                   ? "There is none yet."
                                                   : "The one there was has expired."});
    }
    lock_ = access_.file_.try_lock();
    if (!lock_ && now_ns() < until_) return again_.start(kLockPause);
    // What another process has refreshed between reading and locking is not refreshed again.
    access_.tokens_ = access_.file_.read();
    if (there_is_another()) return end(std::nullopt);
    refresh();
  }

  bool there_is_another() const {
    const OAuthTokens& tokens = access_.tokens_;
    return !tokens.access_token.empty() && tokens.access_token != refused_;
  }

  void refresh() {
    const OAuthTokens& tokens = access_.tokens_;
    FormFields fields = {{"grant_type", "refresh_token"}, {"refresh_token", tokens.refresh_token}};
    HttpRequest request = token_request(tokens, std::move(fields));
    if (!parse_http_url(request.url)) return end(Error{ErrorCode::Unavailable, "It is damaged."});
    fetch_ = std::make_unique<HttpFetch>(access_.client_, std::move(request),
                                         [this](Result<Fetched> answer) { take(answer); });
  }

  void take(const Result<Fetched>& answer) {
    if (!answer) {
      return end(
          Error{ErrorCode::Unavailable, "It could not be renewed: " + answer.error().message});
    }
    OAuthTokens& tokens = access_.tokens_;
    const Result<void> granted = take_grant(tokens, answer.value(), unix_now_seconds());
    if (!granted && granted.error().code == ErrorCode::InvalidArgument) {
      tokens.access_token.clear();
      tokens.refresh_token.clear();
    }
    const Result<void> written = access_.file_.write(tokens);
    if (!granted) return end(granted.error());
    // The token is good for as long as this process lives, even where it can't be kept.
    (void)written;
    end(std::nullopt);
  }

  void end(std::optional<Error> failure) {
    const Done done = std::move(done_);
    // Some tokens live for less than they are renewed before: those are not renewed all the time.
    const std::int64_t now = unix_now_seconds();
    const std::int64_t left = std::max<std::int64_t>(0, access_.tokens_.expires_at - now);
    const std::int64_t pause = limits::kOAuthRefreshBefore.count() / 2;
    access_.pause_until_ = now + (failure ? pause : std::min(pause, left / 2));
    const std::unique_ptr<Renewal> kept = std::move(access_.renewal_);  // *this, until the end
    lock_.reset();
    done(std::move(failure));
  }

  OAuthAccess& access_;
  const std::string refused_;
  Done done_;
  const std::uint64_t until_;
  UniqueFd lock_;
  Timer again_;
  std::unique_ptr<HttpFetch> fetch_;
};

OAuthAccess::OAuthAccess(EventLoop& loop, HttpClient& client, const std::string& folder,
                         const std::string& server)
    : loop_(loop), client_(client), file_(folder, server) {}

OAuthAccess::~OAuthAccess() = default;

const std::string& OAuthAccess::token() {
  if (!std::exchange(read_, true)) tokens_ = file_.read();
  return tokens_.access_token;
}

bool OAuthAccess::due() {
  if (token().empty() || tokens_.refresh_token.empty() || tokens_.expires_at == 0) return false;
  const std::int64_t now = unix_now_seconds();
  return now >= pause_until_ && now + limits::kOAuthRefreshBefore.count() >= tokens_.expires_at;
}

void OAuthAccess::renew(const std::string& refused,
                        std::function<void(std::optional<Error>)> done) {
  renewal_ = std::make_unique<Renewal>(*this, refused, std::move(done));
}

bool OAuthAccess::has_another_than(const std::string& sent) {
  OAuthTokens tokens = file_.read();
  if (tokens.access_token.empty() || tokens.access_token == sent) return false;
  tokens_ = std::move(tokens);
  return true;
}

void OAuthAccess::want_scope(std::string_view scope) {
  OAuthTokens tokens = file_.read();
  const std::string wanted = united_scopes(tokens.wanted_scope, scope);
  if (tokens.server.empty() || wanted == tokens.wanted_scope) return;
  tokens.wanted_scope = wanted;
  if (file_.write(tokens)) tokens_.wanted_scope = wanted;
}

}  // namespace pyember::host
