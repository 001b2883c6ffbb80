#pragma once

#include "base/result.h"
#include "mcp/errors.h"
#include "mcp/json.h"
#include "mcp/question.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pyember::mcp {

class ToolCall;

// Values by their names, as a person gave them.
using PromptArguments = std::map<std::string, std::string, std::less<>>;

struct PromptArgument {
  std::string name;
  std::string description;
  bool required = false;
};

// A prompt as it is listed: something a person chooses, and a model is then told.
struct Prompt {
  std::string name;   // unique; lists are in its order
  std::string title;  // empty: left out, as below
  std::string description;
  std::vector<PromptArgument> arguments = {};
};

struct PromptMessage {
  enum class Role { User, Assistant };
  Role role = Role::User;
  Json content;  // one content block: text_block(…), an image, an embedded resource …
};

// What a prompt has become, with its arguments filled in.
struct PromptResult {
  std::string description;  // empty: left out
  std::vector<PromptMessage> messages;
};

// One prompts/get in flight. It may be answered at once or later, and may ask the person behind the
// client first, as a tool's call may (mcp/tool.h says what that means). Answered exactly once; one
// that is destroyed without an answer answers -32603. Loop's thread only.
class PromptCall {
 public:
  // For the server: `call` is what the request is in flight as.
  PromptCall(std::shared_ptr<ToolCall> call, std::string name, PromptArguments arguments);

  // Of a prompt that is listed, and all its required arguments are there.
  const std::string& name() const { return name_; }
  const PromptArguments& arguments() const { return arguments_; }
  // The argument's value; empty: it was not given.
  std::string argument(std::string_view name) const;

  bool can_ask(InputRequest::Kind kind = InputRequest::Kind::Form) const;
  std::uint64_t ask(InputRequest question, WhenAnswered answered);

  void complete(PromptResult result);
  void fail(RpcError error);

 private:
  const std::shared_ptr<ToolCall> call_;
  const std::string name_;
  const PromptArguments arguments_;
};

// What completion/complete asks for: the beginning of an argument's value.
struct CompletionRequest {
  enum class About { Prompt, Resource };
  About about = About::Prompt;
  std::string reference;   // the prompt's name; a resource's URI or URI template
  std::string argument;    // of the prompt, or a variable of the template
  std::string value;       // as far as it was typed
  PromptArguments others;  // values of other arguments that are known already
};

// The best values first. The server sends at most limits::kCompletionValues of them.
struct Completion {
  std::vector<std::string> values;
  std::optional<std::size_t> total = {};  // of all there are, if that is known
};

// InvalidArgument: there is no such prompt, resource or argument. Others are faults of the server.
using WhenCompleted = std::function<void(Result<Completion>)>;

// What prompts a server has, implemented by the host. Called on the loop's thread.
class PromptCatalog {
 public:
  virtual ~PromptCatalog() = default;

  // At most `limit` prompts whose names come after `after` (empty: from the first), sorted by name.
  // Fewer than `limit` means that was the last page.
  virtual std::vector<Prompt> list(std::string_view after, std::size_t limit) = 0;
  virtual std::optional<Prompt> find(std::string_view name) = 0;

  virtual void get(const std::shared_ptr<PromptCall>& call) = 0;

  // Calls `done` once, at once or later. One whose request was cancelled, or whose server is gone,
  // does nothing.
  virtual void complete(const CompletionRequest& request, WhenCompleted done) = 0;
};

}  // namespace pyember::mcp
