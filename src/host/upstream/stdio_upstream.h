#pragma once

#include <memory>

#include "host/upstream/transport.h"

namespace pyember::host {

// An upstream that is a child of ours and speaks over its stdin and stdout. Between the two of us
// is a keeper (docs/runner.md), which ends everything the child has started with it, also when this
// server is killed. The child's environment is ours without what is meant for this server, and with
// what its definition says; nothing of it is written down anywhere.
//
// Its order to end: stdin is closed; limits::kUpstreamEndGrace later it gets SIGTERM, and
// limits::kUpstreamTermGrace after that whatever is left is killed.
std::unique_ptr<UpstreamTransport> make_stdio_transport(EventLoop& loop,
                                                        const UpstreamDefinition& definition,
                                                        const TransportSettings& settings,
                                                        UpstreamTransport::Owner& owner);

}  // namespace pyember::host
