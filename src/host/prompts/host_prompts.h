#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/prompts/prompt_sources.h"
#include "host/tools/profile.h"
#include "mcp/prompts.h"

namespace pyember::host {

// The prompts of a server, those that its profile has the tools for, and what can be completed:
// their arguments and the variables of resource templates. docs/prompts.md. Owned by what the
// sources are of; loop's thread only.
class HostPrompts final : public mcp::PromptCatalog {
 public:
  HostPrompts(Profile profile, PromptSources sources);
  ~HostPrompts() override;

  std::vector<mcp::Prompt> list(std::string_view after, std::size_t limit) override;
  std::optional<mcp::Prompt> find(std::string_view name) override;
  void get(const std::shared_ptr<mcp::PromptCall>& call) override;
  void complete(const mcp::CompletionRequest& request, mcp::WhenCompleted done) override;

 private:
  std::vector<std::string> candidates(const mcp::CompletionRequest& request) const;

  const Profile profile_;
  const PromptSources sources_;
};

}  // namespace pyember::host
