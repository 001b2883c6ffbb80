#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "host/upstream/upstreams.h"
#include "mcp/client.h"

// What is said when a request to an upstream has no result: three parts, nothing secret.
namespace pyember::host {

// A request, as messages name it: tools/call "add".
std::string shown_request(std::string_view method, const mcp::Json& params);

UpstreamFailure unknown_server(std::string_view wanted, const UpstreamConfiguration& configured);
// `again_in`: it is not tried before that; 0: with the next request.
UpstreamFailure start_failed(const UpstreamDefinition& server, const std::string& why,
                             std::chrono::milliseconds again_in);
UpstreamFailure lost(const UpstreamDefinition& server, const std::string& request,
                     const std::string& why);
UpstreamFailure timed_out(const UpstreamDefinition& server, const std::string& request,
                          std::chrono::milliseconds timeout, bool sent);
UpstreamFailure cancelled(const UpstreamDefinition& server, const std::string& request);
UpstreamFailure too_many(const UpstreamDefinition& server, const std::string& request);
UpstreamFailure refused(const UpstreamDefinition& server, const std::string& request,
                        mcp::ClientError error);

}  // namespace pyember::host
