#include "host/http/gate/gate.h"

#include <spdlog/spdlog.h>

#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "host/http/gate/allowed_names.h"
#include "host/http/gate/authenticator.h"
#include "host/http/gate/challenge.h"
#include "host/http/gate/rate_limit.h"
#include "host/http/gate/scopes.h"
#include "host/upstream/http_url.h"

// A request passes the names it comes under, then who sends it, then how often they do.
//
// Refused tokens are counted by the address they come from. When there were too many, what would
// cost something (the check of a signature) is not done for that address any more, and what was
// refused before is refused with "too many". A token that is known passes all the while: behind a
// proxy all callers have one address, and none of them can lock out the others.

namespace pyember::host {

namespace {

constexpr int kForbidden = 403;
constexpr int kTooMany = 429;

// All names that the user has given the server.
std::vector<std::string> host_names(const GateSettings& settings) {
  std::vector<std::string> names = settings.allowed_hosts;
  const bool everywhere = settings.address == "0.0.0.0" || settings.address == "::";
  if (!everywhere) {
    const bool ipv6 = settings.address.find(':') != std::string::npos;
    names.push_back(ipv6 ? "[" + settings.address + "]" : settings.address);
  }
  if (settings.has_oauth()) {
    if (const auto audience = parse_http_url(settings.oauth_audience)) {
      names.push_back(audience->host);
    }
  }
  std::erase_if(names, [](const std::string& name) { return !parse_host_name(name); });
  return names;
}

// What a caller has and what is missing: a client that asks for that must not lose the others.
std::string with_scope(const Caller& caller, std::string_view missing) {
  std::string scopes;
  for (const std::string& each : caller.scopes) {
    if (is_scope(each)) scopes += each + " ";
  }
  return scopes.append(missing);
}

HttpReply too_many(std::chrono::milliseconds wait) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait).count();
  return refusal(kTooMany, "There are too many requests. Wait as long as Retry-After says.",
                 {{"Retry-After", std::to_string(std::max<std::int64_t>(seconds, 1))}});
}

}  // namespace

class Gate::Impl {
 public:
  Impl(EventLoop& loop, GateSettings given, ReadPublicKey read_key)
      : settings(std::move(given)),
        names(host_names(settings), settings.allowed_origins),
        challenges(settings),
        authenticator(loop, settings, challenges, read_key),
        failures({limits::kRefusalsPerSecond, limits::kRefusalsAtOnce, limits::kRatedPeers}),
        requests({settings.requests_per_second,
                  std::max(1.0, settings.requests_per_second * limits::kBurstSeconds),
                  limits::kRatedPrincipals}) {}

  std::optional<HttpReply> refuse_names(const mcp::HttpRequest& request) const;
  HttpReply preflight(std::string_view origin) const;
  void admit(const mcp::HttpRequest& request, Admitted done);
  void conclude(const std::string& network, Authenticator::Outcome outcome, const Admitted& done);

  const GateSettings settings;
  const AllowedNames names;
  const Challenges challenges;
  Authenticator authenticator;
  RateLimit failures;  // by network
  RateLimit requests;  // by principal
};

std::optional<HttpReply> Gate::Impl::refuse_names(const mcp::HttpRequest& request) const {
  const std::optional<std::string_view> host = request.header("host");
  if (!host || !names.allows_host(*host)) {
    spdlog::info("http_refused reason=host peer={}", request.peer);
    return refusal(kForbidden,
                   "The server is not known under the name in the header Host. Who runs it can "
                   "allow a name with --allowed-host.");
  }
  const std::optional<std::string_view> origin = request.header("origin");
  if (origin && !names.allows_origin(*origin)) {
    spdlog::info("http_refused reason=origin peer={}", request.peer);
    return refusal(kForbidden,
                   "Pages of this origin may not use the server. Who runs it can allow one with "
                   "--allowed-origin.");
  }
  return std::nullopt;
}

// A browser asks before it sends what a page wants sent.
HttpReply Gate::Impl::preflight(std::string_view origin) const {
  return {204,
          {{"Access-Control-Allow-Origin", std::string(origin)},
           {"Access-Control-Allow-Methods", "POST, GET, DELETE"},
           {"Access-Control-Allow-Headers",
            "Authorization, Content-Type, Accept, Last-Event-ID, MCP-Protocol-Version, "
            "Mcp-Session-Id, Mcp-Method, Mcp-Name, Mcp-Param-Session"},
           {"Access-Control-Max-Age", "600"},
           {"Vary", "Origin"}},
          {}};
}

void Gate::Impl::admit(const mcp::HttpRequest& request, Admitted done) {
  if (!settings.authenticates()) return done(Caller{});
  std::string network = network_of(request.peer);
  const bool tired = failures.look(network, now_ns()).has_value();
  authenticator.authenticate(
      request, tired ? Authenticator::Effort::Cheap : Authenticator::Effort::Any,
      [this, network = std::move(network), done = std::move(done)](Authenticator::Outcome outcome) {
        conclude(network, std::move(outcome), done);
      });
}

void Gate::Impl::conclude(const std::string& network, Authenticator::Outcome outcome,
                          const Admitted& done) {
  const std::uint64_t now = now_ns();
  if (Caller* caller = std::get_if<Caller>(&outcome)) {
    const bool rated = settings.requests_per_second > 0;
    const RateLimit::Wait wait = rated ? requests.take(caller->principal, now) : std::nullopt;
    if (!wait) return done(std::move(*caller));
    spdlog::info("http_refused reason=rate caller={}", caller->shown);
    return done(too_many(*wait));
  }
  HttpReply* refused = std::get_if<HttpReply>(&outcome);
  const bool their_fault = refused == nullptr || refused->status < 500;
  const RateLimit::Wait wait = their_fault ? failures.take(network, now) : std::nullopt;
  if (refused == nullptr) return done(too_many(wait.value_or(std::chrono::seconds(1))));
  spdlog::info("http_refused reason=token status={} network={}", refused->status, network);
  if (wait) return done(too_many(*wait));
  done(std::move(*refused));
}

Gate::Gate(EventLoop& loop, GateSettings settings, ReadPublicKey read_key)
    : impl_(std::make_unique<Impl>(loop, std::move(settings), read_key)) {}

Gate::~Gate() = default;

std::optional<HttpReply> Gate::at_door(const mcp::HttpRequest& request) {
  if (std::optional<HttpReply> refused = impl_->refuse_names(request)) return refused;
  if (request.method == "OPTIONS") {
    const std::optional<std::string_view> origin = request.header("origin");
    if (origin && impl_->names.names_origin(*origin)) return impl_->preflight(*origin);
    return std::nullopt;
  }
  if (!impl_->challenges.is_metadata(request.path)) return std::nullopt;
  if (request.method != "GET" && request.method != "HEAD") {
    return refusal(405, "This is only read.", {{"Allow", "GET, HEAD"}});
  }
  HttpReply reply{200, fields_for(request), impl_->challenges.metadata()};
  reply.fields.push_back({"Content-Type", "application/json"});
  reply.fields.push_back({"Cache-Control", "max-age=3600"});
  return reply;
}

void Gate::admit(const mcp::HttpRequest& request, Admitted done) {
  impl_->admit(request, std::move(done));
}

HttpReply Gate::insufficient_scope(const Caller& caller, std::string_view tool) const {
  spdlog::info("http_refused reason=scope caller={}", caller.shown);
  return impl_->challenges.insufficient(with_scope(caller, scope_for(tool)));
}

mcp::HttpFields Gate::scope_challenge(const Caller& caller, std::string_view tool) const {
  HttpReply reply = insufficient_scope(caller, tool);
  std::erase_if(reply.fields, [](const auto& each) { return each.name != "WWW-Authenticate"; });
  return std::move(reply.fields);
}

std::optional<HttpReply> Gate::refuse_metrics(const Caller& caller) const {
  if (!impl_->settings.authenticates() || may_see_metrics(caller.scopes)) return std::nullopt;
  spdlog::info("http_refused reason=scope caller={}", caller.shown);
  return impl_->challenges.insufficient_for_metrics(with_scope(caller, kMetrics));
}

mcp::HttpFields Gate::fields_for(const mcp::HttpRequest& request) const {
  const std::optional<std::string_view> origin = request.header("origin");
  if (!origin || !impl_->names.names_origin(*origin)) return {};
  return {{"Access-Control-Allow-Origin", std::string(*origin)},
          {"Access-Control-Expose-Headers",
           "Mcp-Session-Id, MCP-Protocol-Version, WWW-Authenticate, Retry-After"},
          {"Vary", "Origin"}};
}

bool Gate::still_admits(const Caller& caller) { return impl_->authenticator.still_admits(caller); }

}  // namespace pyember::host
