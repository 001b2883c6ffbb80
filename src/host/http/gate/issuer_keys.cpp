#include "host/http/gate/issuer_keys.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "host/http/gate/key_set.h"
#include "host/upstream/oauth_metadata.h"
#include "mcp/json_members.h"

namespace pyember::host {

namespace {

std::uint64_t nanoseconds(std::chrono::milliseconds duration) {
  return static_cast<std::uint64_t>(std::chrono::nanoseconds(duration).count());
}

std::string bare(std::string text) {
  if (text.ends_with('/')) text.pop_back();
  return text;
}

}  // namespace

IssuerKeys::IssuerKeys(HttpClient& client, Source source, ReadPublicKey read_key)
    : client_(client), source_(std::move(source)), read_key_(read_key) {}

bool IssuerKeys::usable(std::uint64_t now) const {
  return fetched_at_ != 0 && now - fetched_at_ < nanoseconds(limits::kKeysKept);
}

bool IssuerKeys::may_fetch(std::uint64_t now) const {
  return !fetch_ && (tried_at_ == 0 || now - tried_at_ >= nanoseconds(limits::kKeysPause));
}

void IssuerKeys::fetch_first() {
  if (may_fetch(now_ns())) fetch();
}

// A key that is named has that name; a token without one is signed by the only key that fits.
IssuerKeys::Look IssuerKeys::look(const Waiting& asked) const {
  std::vector<const Known*> fitting;
  for (const Known& each : keys_) {
    const bool named = asked.key_id.empty() || each.id == asked.key_id;
    const bool fits = each.algorithm.empty() ? fits_kind(asked.algorithm, each.kind)
                                             : each.algorithm == asked.algorithm;
    if (named && fits) fitting.push_back(&each);
  }
  if (fitting.empty()) return Look::NoSuchKey;
  if (asked.key_id.empty() && fitting.size() > 1) return Look::NotSigned;
  const bool is_signed = std::any_of(fitting.begin(), fitting.end(), [&](const Known* each) {
    return each->key->verifies(asked.token, asked.algorithm);
  });
  return is_signed ? Look::Signed : Look::NotSigned;
}

void IssuerKeys::check(std::string token, std::string algorithm, std::string key_id, Done done) {
  Waiting asked{std::move(token), std::move(algorithm), std::move(key_id), std::move(done)};
  const std::uint64_t now = now_ns();
  if (usable(now)) {
    const Look found = look(asked);
    const bool old = now - fetched_at_ > nanoseconds(limits::kKeysFresh);
    if ((old || found == Look::NoSuchKey) && may_fetch(now)) fetch();
    if (found != Look::NoSuchKey || !fetch_) {
      return asked.done(found == Look::Signed ? Verdict::Signed : Verdict::NotSigned);
    }
  } else if (may_fetch(now)) {
    fetch();
  }
  if (!fetch_ || waiting_.size() >= limits::kWaitingForKeys) {
    return asked.done(Verdict::Unavailable);
  }
  waiting_.push_back(std::move(asked));
}

void IssuerKeys::fetch() {
  tried_at_ = now_ns();
  if (!source_.keys.empty()) return fetch_keys(source_.keys);
  const std::optional<HttpUrl> issuer = parse_http_url(source_.issuer);
  if (!issuer) return fail("its issuer is no address");
  places_ = issuer_metadata_places(*issuer);
  std::reverse(places_.begin(), places_.end());
  try_next_place();
}

void IssuerKeys::try_next_place() {
  if (places_.empty()) return fail("it has no metadata that names its keys");
  HttpRequest request;
  request.url = std::move(places_.back());
  request.headers = {{"Accept", "application/json"}};
  places_.pop_back();
  fetch_ = std::make_unique<HttpFetch>(client_, std::move(request),
                                       [this](Result<Fetched> answer) { take_metadata(answer); });
}

void IssuerKeys::take_metadata(const Result<Fetched>& answer) {
  if (!answer) return fail(answer.error().message);
  if (!answer.value().success() || !answer.value().json.is_object()) return try_next_place();
  const mcp::Json& json = answer.value().json;
  if (bare(mcp::text_in(json, "issuer")) != bare(source_.issuer)) {
    return fail("its metadata is another's");
  }
  const std::optional<HttpUrl> keys = parse_http_url(mcp::text_in(json, "jwks_uri"));
  const std::optional<HttpUrl> issuer = parse_http_url(source_.issuer);
  if (!keys || !issuer || !may_be_asked(*keys, *issuer)) {
    return fail("its metadata names no keys at an address of https");
  }
  fetch_keys(keys->text());
}

void IssuerKeys::fetch_keys(const std::string& address) {
  HttpRequest request;
  request.url = address;
  request.headers = {{"Accept", "application/jwk-set+json, application/json"}};
  fetch_ = std::make_unique<HttpFetch>(client_, std::move(request),
                                       [this](Result<Fetched> answer) { take_keys(answer); });
}

void IssuerKeys::take_keys(const Result<Fetched>& answer) {
  if (!answer) return fail(answer.error().message);
  if (!answer.value().success()) {
    return fail(fmt::format("its keys were answered with {}", answer.value().head.status));
  }
  std::vector<Known> keys;
  for (KeyText& each : keys_in(answer.value().json)) {
    std::unique_ptr<PublicKey> key(read_key_(each.text.data(), each.text.size()));
    if (!key) continue;
    keys.push_back(
        {std::move(each.id), std::move(each.algorithm), std::move(each.kind), std::move(key)});
  }
  if (keys.empty()) return fail("there is no key among its keys that can be used");
  keys_ = std::move(keys);
  fetched_at_ = now_ns();
  over();
}

void IssuerKeys::fail(std::string_view why) {
  spdlog::warn("oauth_keys_not_fetched issuer={} reason=\"{}\"", source_.issuer, why);
  over();
}

// Those who waited are answered from what is known now; what they do may come back here.
void IssuerKeys::over() {
  fetch_.reset();
  const bool can_tell = usable(now_ns());
  for (const Waiting& each : std::exchange(waiting_, {})) {
    if (!can_tell) {
      each.done(Verdict::Unavailable);
    } else {
      each.done(look(each) == Look::Signed ? Verdict::Signed : Verdict::NotSigned);
    }
  }
}

}  // namespace pyember::host
