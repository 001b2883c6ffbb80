#pragma once

#include <memory>
#include <string>

#include "host/questions/question_service.h"
#include "host/upstream/upstreams.h"

namespace pyember::host {

// What an upstream wants to know in the middle of a run's request is asked of that run's client,
// which is told who asks (PROTOCOL: ELI-4). Where nobody can be asked the upstream gets an error:
// nobody answers for a person. The service outlives what is returned; `server` is as configured.
UpstreamQuestions questions_for(QuestionService& service, std::shared_ptr<RunPermit> permit,
                                std::string server);

// What upstreams are told that they can ask, as the client of a run can be asked it.
mcp::Json capabilities_for(const mcp::ClientCapabilities& client);

}  // namespace pyember::host
