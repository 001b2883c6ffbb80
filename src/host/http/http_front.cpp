#include "host/http/http_front.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <variant>

#include "base/limits.h"
#include "host/scripts/text_file.h"

namespace pyember::host {

namespace {

constexpr std::string_view kProtocol = "http";  // in the journal: there was a server before
constexpr int kNotFound = 404;
constexpr int kNotAllowed = 405;
constexpr int kUnavailable = 503;

std::uint64_t in_ns(std::chrono::milliseconds duration) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count());
}

void respond(mcp::HttpExchange& exchange, HttpReply&& reply) {
  exchange.respond(reply.status, reply.fields, std::move(reply.body));
}

HttpReply unavailable(std::string_view why) {
  return refusal(kUnavailable, why, {{"Retry-After", "1"}});
}

}  // namespace

HttpFront::HttpFront(Parts parts, HttpOptions options, Module module)
    : parts_(std::move(parts)),
      options_(std::move(options)),
      module_(std::move(module)),
      gate_(parts_.loop, options_.gate, module_.read_public_key) {}

HttpFront::~HttpFront() {
  transport_.reset();
  clients_.clear();
}

bool HttpFront::follows_another() {
  const bool follows = parts_.journal.protocol.read() == kProtocol;
  if (!follows) parts_.journal.protocol.write(kProtocol);
  return follows;
}

Result<void> HttpFront::start() {
  HttpListen listen;
  listen.sockets = options_.sockets;
  if (!options_.certificate.empty()) {
    Result<std::string> certificate = read_text_file(options_.certificate, kPemFileBytes);
    if (!certificate) return certificate.error();
    Result<std::string> key = read_text_file(options_.key, kPemFileBytes);
    if (!key) return key.error();
    listen.tls = HttpListen::Tls{certificate.take(), key.take()};
  }
  auto made = module_.listen(std::move(listen), [this](Exchange exchange) { serve(exchange); });
  if (!made) return made.error();
  transport_ = made.take();
  started_ns_ = now_ns();
  return {};
}

// --- requests ------------------------------------------------------------------------------------

void HttpFront::serve(const Exchange& exchange) {
  const mcp::HttpRequest& request = exchange->request();
  if (std::optional<HttpReply> reply = gate_.at_door(request)) {
    return respond(*exchange, *std::move(reply));
  }
  if (request.path == "/healthz") return tell_health(*exchange);
  if (request.path == "/metrics" && parts_.metrics != nullptr) return show_metrics(exchange);
  if (request.path != options_.gate.path) {
    return respond(*exchange,
                   refusal(kNotFound, fmt::format("There is nothing at this path: the endpoint of "
                                                  "this server is {}. Use that.",
                                                  options_.gate.path)));
  }
  gate_.admit(request, [this, exchange](std::variant<Caller, HttpReply> answer) {
    if (exchange->is_gone()) return;
    if (HttpReply* refused = std::get_if<HttpReply>(&answer)) {
      return respond(*exchange, std::move(*refused));
    }
    admitted(exchange, std::get<Caller>(std::move(answer)));
  });
}

// It can be told apart from a server that serves, and nothing more.
void HttpFront::tell_health(mcp::HttpExchange& exchange) {
  const bool serves = !closing_ && !parts_.workspaces().refuses();
  exchange.respond(serves ? 200 : kUnavailable,
                   {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}},
                   serves ? R"({"status":"ok"})" : R"({"status":"unavailable"})");
}

void HttpFront::show_metrics(const Exchange& exchange) {
  const mcp::HttpRequest& request = exchange->request();
  if (request.method != "GET" && request.method != "HEAD") {
    return respond(*exchange, refusal(kNotAllowed, "The numbers of this server are only read.",
                                      {{"Allow", "GET, HEAD"}}));
  }
  gate_.admit(request, [this, exchange](std::variant<Caller, HttpReply> answer) {
    if (exchange->is_gone()) return;
    if (HttpReply* refused = std::get_if<HttpReply>(&answer)) {
      return respond(*exchange, std::move(*refused));
    }
    if (auto refused = gate_.refuse_metrics(std::get<Caller>(answer))) {
      return respond(*exchange, *std::move(refused));
    }
    mcp::HttpFields fields = gate_.fields_for(exchange->request());
    fields.push_back({"Content-Type", "text/plain; version=0.0.4; charset=utf-8"});
    fields.push_back({"Cache-Control", "no-store"});
    exchange->respond(200, fields, parts_.metrics->text(parts_.workspaces().figures(), figures()));
  });
}

HttpFigures HttpFront::figures() const {
  HttpFigures figures;
  figures.connections = transport_->connections();
  figures.requests = transport_->open_exchanges();
  figures.streams = transport_->open_streams();
  for (const auto& [principal, client] : clients_) figures.sessions += client.endpoint->sessions();
  figures.responses.assign(transport_->responses().begin(), transport_->responses().end());
  return figures;
}

void HttpFront::admitted(const Exchange& exchange, Caller caller) {
  if (closing_) {
    return respond(*exchange, unavailable("The server is ending. Call again in a moment."));
  }
  const Result<Client*> client = client_of(caller.principal);
  if (!client) {
    spdlog::warn("client_refused principal={} error=\"{}\"", caller.shown, client.error().message);
    return respond(*exchange, unavailable(client.error().message));
  }
  client.value()->used_ns = now_ns();
  mcp::HttpCaller allowed = caller_for(caller);
  client.value()->endpoint->handle(wrapped(exchange, caller), std::move(allowed));
}

// Where there is nothing to add and nothing that expires, responses go straight to the transport.
HttpFront::Exchange HttpFront::wrapped(const Exchange& exchange, const Caller& caller) {
  mcp::HttpFields added = gate_.fields_for(exchange->request());
  if (added.empty() && caller.principal.empty()) return exchange;
  auto streaming = [this](const std::shared_ptr<CallerExchange>& stream) {
    streams_.push_back(stream);
  };
  return std::make_shared<CallerExchange>(exchange, caller, std::move(added), std::move(streaming));
}

mcp::HttpCaller HttpFront::caller_for(const Caller& caller) {
  if (!caller.may_call) return {};
  return {caller.may_call,
          [this, caller](std::string_view tool) { return gate_.scope_challenge(caller, tool); }};
}

// --- principals ----------------------------------------------------------------------------------

Result<HttpFront::Client*> HttpFront::client_of(const std::string& principal) {
  const auto found = clients_.find(principal);
  if (found != clients_.end()) return &found->second;
  Workspaces& workspaces = parts_.workspaces();
  Result<Workspace*> workspace = workspaces.of(principal);
  if (!workspace && workspace.error().code == ErrorCode::LimitReached && give_up_oldest()) {
    workspace = workspaces.of(principal);
  }
  if (!workspace) return workspace.error();
  auto endpoint = std::make_unique<mcp::HttpEndpoint>(workspace.value()->server());
  Client client{workspace.value(), std::move(endpoint), now_ns()};
  return &clients_.emplace(principal, std::move(client)).first->second;
}

bool HttpFront::is_unused(Client& client) const {
  return client.endpoint->is_idle() && !client.workspace->in_use();
}

bool HttpFront::give_up_oldest() {
  std::vector<std::pair<std::uint64_t, std::string>> by_age;
  for (const auto& [principal, client] : clients_) by_age.emplace_back(client.used_ns, principal);
  std::sort(by_age.begin(), by_age.end());
  for (const auto& [used, principal] : by_age) {
    if (!is_unused(clients_.at(principal))) continue;
    give_up(principal);
    return true;
  }
  return false;
}

void HttpFront::give_up(std::string_view principal) {
  clients_.erase(clients_.find(principal));
  parts_.workspaces().give_up(principal);
}

// --- time ----------------------------------------------------------------------------------------

void HttpFront::tick(std::uint64_t now) {
  // It works: it has not died of what it was asked, or has lived for a while.
  if (!has_served_ && (!clients_.empty() || now - started_ns_ > in_ns(limits::kWedgedAfter))) {
    has_served_ = true;
    parts_.journal.life.served();
  }
  const auto clock = std::chrono::steady_clock::now();
  std::vector<std::string> unused;
  for (auto& [principal, client] : clients_) {
    client.endpoint->tick(clock);
    if (principal.empty() || now - client.used_ns < in_ns(limits::kIdleWorkspace)) continue;
    if (is_unused(client)) {
      unused.push_back(principal);
    } else {
      client.used_ns = now;
    }
  }
  for (const std::string& principal : unused) give_up(principal);
  cut_off_the_expired();
}

void HttpFront::cut_off_the_expired() {
  std::erase_if(streams_, [](const auto& each) { return each.expired(); });
  for (const std::weak_ptr<CallerExchange>& each : std::vector(streams_)) {
    const std::shared_ptr<CallerExchange> stream = each.lock();
    if (stream && !gate_.still_admits(stream->caller())) stream->revoke();
  }
}

// --- the end -------------------------------------------------------------------------------------

std::size_t HttpFront::in_flight() const { return transport_ ? transport_->open_exchanges() : 0; }

std::size_t HttpFront::begun() const {
  std::size_t sum = 0;
  for (const auto& [principal, client] : clients_) sum += client.endpoint->calls_in_flight();
  return sum;
}

void HttpFront::close() {
  if (std::exchange(closing_, true) || !transport_) return;
  transport_->stop_listening();
  for (auto& [principal, client] : clients_) client.endpoint->close();
  transport_->close_idle();
}

Front::Handover HttpFront::hand_over() {
  close();
  return Handover::NothingIsLeft;
}

bool HttpFront::flushed() { return in_flight() == 0; }

}  // namespace pyember::host
