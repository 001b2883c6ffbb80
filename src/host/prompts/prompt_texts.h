#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "host/prompts/prompt_sources.h"
#include "host/tools/profile.h"
#include "mcp/prompts.h"

namespace pyember::host {

// One prompt of the server: how it is listed, which profiles have the tools it speaks of, and what
// is made of it.
struct PromptText {
  struct Request {
    const mcp::PromptCall& call;
    const PromptSources& sources;
    Profile profile;
  };
  using Write = Result<std::vector<mcp::PromptMessage>> (*)(const Request& request);

  mcp::Prompt prompt;
  std::vector<Profile> profiles;
  Write write;
};

// Sorted by name.
const std::vector<PromptText>& prompt_texts();

}  // namespace pyember::host
