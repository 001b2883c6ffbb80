#include "host/upstream/upstream_connection.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "base/limits.h"
#include "mcp/errors.h"

namespace pyember::host {

namespace {

mcp::ClientSettings client_settings(const UpstreamDefinition& definition,
                                    const UpstreamSettings& settings, bool try_handshake) {
  return {PYEMBER_VERSION, definition.kind == UpstreamDefinition::Kind::Http, try_handshake,
          settings.capabilities};
}

}  // namespace

UpstreamConnection::UpstreamConnection(EventLoop& loop, const UpstreamDefinition& definition,
                                       const UpstreamSettings& settings, bool try_handshake,
                                       Owner& owner)
    : definition_(definition),
      settings_(settings),
      owner_(owner),
      transport_(make_transport(loop, definition, settings.transport, *this)),
      client_(client_settings(definition, settings, try_handshake), *this),
      probe_deadline_(loop, [this] { client_.probe_timed_out(); }),
      start_deadline_(loop, [this] { start_takes_too_long(); }),
      listen_again_(loop, [this] { client_.listen(); }) {}

// The client's first message waits in the transport until there is somebody to read it.
void UpstreamConnection::start() {
  probe_deadline_.start(settings_.probe_deadline);
  start_deadline_.start(settings_.start_deadline);
  transport_->start();
  client_.start();
}

void UpstreamConnection::end(std::function<void()> done) {
  over_ = true;
  probe_deadline_.stop();
  start_deadline_.stop();
  listen_again_.stop();
  transport_->end(std::move(done));
}

void UpstreamConnection::client_is_ready() {
  probe_deadline_.stop();
  start_deadline_.stop();
  if (over_) return;
  client_.listen();
  owner_.connection_is_ready();
}

// What has changed meanwhile was not told; a new stream of changes is asked for with a pause, for
// there may be servers that close each of them.
void UpstreamConnection::client_stopped_listening() {
  if (over_) return;
  listen_again_.start(limits::kUpstreamLongestPause);
}

void UpstreamConnection::client_cannot_read(std::string_view text) {
  if (unreadable_.empty()) unreadable_ = mcp::in_quotes(text);
  spdlog::debug("upstream_unreadable server=\"{}\" bytes={}", definition_.name, text.size());
}

void UpstreamConnection::start_takes_too_long() {
  std::string why = fmt::format(
      "it did not answer within {} s",
      std::chrono::duration_cast<std::chrono::seconds>(settings_.start_deadline).count());
  if (!unreadable_.empty())
    why += fmt::format("; what came instead is no message: {}", unreadable_);
  if (const std::string said = last_stderr(); !said.empty()) {
    why += fmt::format("; it printed:\n{}\n", said);
  }
  fail(why);
}

void UpstreamConnection::fail(const std::string& why) {
  if (std::exchange(over_, true)) return;
  probe_deadline_.stop();
  start_deadline_.stop();
  listen_again_.stop();
  owner_.connection_failed(why);
}

}  // namespace pyember::host
