#include "mcp/prompts.h"

#include "mcp/tool.h"

#include <utility>

namespace pyember::mcp {

PromptCall::PromptCall(std::shared_ptr<ToolCall> call, std::string name, PromptArguments arguments)
    : call_(std::move(call)), name_(std::move(name)), arguments_(std::move(arguments)) {}

std::string PromptCall::argument(std::string_view name) const {
  const auto found = arguments_.find(name);
  return found == arguments_.end() ? std::string() : found->second;
}

bool PromptCall::can_ask(InputRequest::Kind kind) const { return call_->can_ask(kind); }

std::uint64_t PromptCall::ask(InputRequest question, WhenAnswered answered) {
  return call_->ask(std::move(question), std::move(answered));
}

// As the result of a call: the messages are its content, the description stands beside them.
void PromptCall::complete(PromptResult result) {
  ToolResult answer;
  answer.is_prompt = true;
  for (PromptMessage& message : result.messages) {
    const bool from_user = message.role == PromptMessage::Role::User;
    Json one = Json::object();
    one["role"] = from_user ? "user" : "assistant";
    one["content"] = std::move(message.content);
    answer.content.push_back(std::move(one));
  }
  if (!result.description.empty()) answer.structured = std::move(result.description);
  call_->complete(std::move(answer));
}

void PromptCall::fail(RpcError error) { call_->fail(std::move(error)); }

}  // namespace pyember::mcp
