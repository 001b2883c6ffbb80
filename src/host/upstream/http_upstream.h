#pragma once

#include <memory>

#include "host/upstream/transport.h"

namespace pyember::host {

// An upstream behind a url: Streamable HTTP in both eras, and, where a handshake is refused as old
// servers refuse it, the HTTP+SSE of 2024-11-05.
//
// There is no lasting connection, so a failure is one request's; transport_ended comes when nothing
// can be sent at all (no libcurl, a url or a header that is none) or an HTTP+SSE stream ends.
// Messages are sent as they come and may overtake each other, but not notifications/initialized,
// nor the token they need. In the handshake era a stream for the server's own messages is kept
// open, and a stream that breaks before its answer is gone on with where the server can do that.
std::unique_ptr<UpstreamTransport> make_http_transport(EventLoop& loop,
                                                       const UpstreamDefinition& definition,
                                                       const TransportSettings& settings,
                                                       UpstreamTransport::Owner& owner);

}  // namespace pyember::host
