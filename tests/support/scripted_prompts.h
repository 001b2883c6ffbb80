#pragma once

#include "mcp/prompts.h"
#include "mcp/tool.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pyember::test {

using mcp::Json;

// Prompts: greet {name, tone?} answers at once; late: when a test wants; asks: after a question;
// shows: with every kind of block; forgets: never.
class ScriptedPrompts : public mcp::PromptCatalog {
 public:
  std::vector<mcp::Prompt> list(std::string_view after, std::size_t limit) override {
    std::vector<mcp::Prompt> page;
    for (const mcp::Prompt& each : all()) {
      if (each.name > after && page.size() < limit) page.push_back(each);
    }
    return page;
  }
  std::optional<mcp::Prompt> find(std::string_view name) override {
    for (const mcp::Prompt& each : all()) {
      if (each.name == name) return each;
    }
    return std::nullopt;
  }
  void get(const std::shared_ptr<mcp::PromptCall>& call) override {
    if (call->name() == "greet") return call->complete(greeting(*call));
    if (call->name() == "late") held = call;
    if (call->name() == "shows") return call->complete(shown());
    if (call->name() == "asks") {
      static const Json kForm = {{"type", "object"},
                                 {"properties", {{"name", {{"type", "string"}}}}},
                                 {"required", {"name"}}};
      mcp::InputRequest question;
      question.message = "Who?";
      question.requested_schema = kForm;
      call->ask(std::move(question), [call](const Result<mcp::Answer>& answer) {
        mcp::PromptResult result;
        const std::string name =
            answer.ok() ? answer.value().content.value("name", "") : answer.error().message;
        result.messages.push_back({mcp::PromptMessage::Role::User, mcp::text_block("Hi " + name)});
        call->complete(std::move(result));
      });
    }
  }
  void complete(const mcp::CompletionRequest& request, mcp::WhenCompleted done) override {
    asked = request;
    if (request.reference == "nothing") {
      return done(Error{ErrorCode::InvalidArgument, "there is no prompt \"nothing\""});
    }
    if (request.argument == "later") {
      later.push_back(std::move(done));
      return;
    }
    mcp::Completion completion;
    for (int i = 0; i < 150; ++i) completion.values.push_back(request.value + std::to_string(i));
    if (request.argument == "few") completion.values.resize(2);
    completion.total = completion.values.size();
    done(std::move(completion));
  }

  std::shared_ptr<mcp::PromptCall> held;
  std::vector<mcp::WhenCompleted> later;
  std::optional<mcp::CompletionRequest> asked;

 private:
  static const std::vector<mcp::Prompt>& all() {
    static const std::vector<mcp::Prompt> kAll = {
        {"asks", "", ""},
        {"forgets", "", ""},
        {"greet", "Greet", "Greets.", {{"name", "who", true}, {"tone", ""}}},
        {"late", "", ""},
        {"shows", "", ""}};
    return kAll;
  }
  static mcp::PromptResult greeting(const mcp::PromptCall& call) {
    mcp::PromptResult result;
    result.description = "A greeting";
    const std::string text = call.argument("tone") + " hello " + call.argument("name");
    result.messages.push_back({mcp::PromptMessage::Role::User, mcp::text_block(text)});
    result.messages.push_back({mcp::PromptMessage::Role::Assistant, mcp::text_block("Hello")});
    return result;
  }
  static mcp::PromptResult shown() {
    mcp::PromptResult result;
    const Json link = {{"type", "resource_link"}, {"uri", "note://a"}, {"name", "a"}};
    result.messages.push_back({mcp::PromptMessage::Role::User, link});
    return result;
  }
};

}  // namespace pyember::test
