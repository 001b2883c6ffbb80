#include "host/upstream/http_upstream.h"
#include "host/upstream/stdio_upstream.h"
#include "host/upstream/transport.h"

namespace pyember::host {

std::unique_ptr<UpstreamTransport> make_transport(EventLoop& loop,
                                                  const UpstreamDefinition& definition,
                                                  const TransportSettings& settings,
                                                  UpstreamTransport::Owner& owner) {
  if (definition.kind == UpstreamDefinition::Kind::Http) {
    return make_http_transport(loop, definition, settings, owner);
  }
  return make_stdio_transport(loop, definition, settings, owner);
}

}  // namespace pyember::host
