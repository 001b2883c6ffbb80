#pragma once

#include <string>
#include <string_view>

#include "host/upstream/config/definition.h"
#include "host/upstream/http_reply.h"

// What goes wrong with an upstream over HTTP, in three parts, for people and models. None of these
// texts has a secret in it: addresses are shown without their query, and what the other side says
// without the values of the headers that were sent.
namespace pyember::host {

// No answer, or not the whole.
Error connection_failure(const UpstreamDefinition& upstream, const Error& failure);
// An answer whose status is no success. `token`: what was sent as such; may be empty.
Error status_failure(const UpstreamDefinition& upstream, const HttpOutcome& outcome,
                     const std::string& token);
// 401; `login` was tried: there was a token.
Error login_wanted(const UpstreamDefinition& upstream, std::string_view why);
// 403, with the scopes that it asks for.
Error scope_wanted(const UpstreamDefinition& upstream, std::string_view scope);
// A redirect that is not followed.
Error redirected(const UpstreamDefinition& upstream, const HttpOutcome& outcome);
// A stream or an answer that ended without what was asked for.
Error no_answer(const UpstreamDefinition& upstream);

}  // namespace pyember::host
