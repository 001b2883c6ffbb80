#include "host/prompts/host_prompts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/limits.h"
#include "host/prompts/prompt_texts.h"

namespace pyember::host {

namespace {

// Newest first: what uv can bring and the sessions' own code runs on.
constexpr const char* kPythonVersions[] = {"3.14", "3.13", "3.12", "3.11", "3.10"};

bool has_profile(const PromptText& text, Profile profile) {
  return std::find(text.profiles.begin(), text.profiles.end(), profile) != text.profiles.end();
}

const PromptText* find_text(std::string_view name, Profile profile) {
  for (const PromptText& text : prompt_texts()) {
    if (text.prompt.name == name && has_profile(text, profile)) return &text;
  }
  return nullptr;
}

// The names in a template's braces: {name}, {+name}, {?name,name}.
std::vector<std::string> variables_of(std::string_view uri_template) {
  std::vector<std::string> names;
  for (std::size_t at = 0; (at = uri_template.find('{', at)) != uri_template.npos;) {
    const std::size_t end = uri_template.find('}', at);
    if (end == uri_template.npos) break;
    std::string_view inside = uri_template.substr(at + 1, end - at - 1);
    if (!inside.empty() && (inside[0] == '?' || inside[0] == '+')) inside.remove_prefix(1);
    while (!inside.empty()) {
      const std::size_t comma = std::min(inside.find(','), inside.size());
      names.emplace_back(inside.substr(0, comma));
      inside.remove_prefix(std::min(comma + 1, inside.size()));
    }
    at = end;
  }
  return names;
}

bool begins_with(std::string_view text, std::string_view beginning) {
  const auto same = [](unsigned char one, unsigned char other) {
    return std::tolower(one) == std::tolower(other);
  };
  return text.size() >= beginning.size() &&
         std::equal(beginning.begin(), beginning.end(), text.begin(), same);
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

HostPrompts::HostPrompts(Profile profile, PromptSources sources)
    : profile_(profile), sources_(std::move(sources)) {}

HostPrompts::~HostPrompts() = default;

std::vector<mcp::Prompt> HostPrompts::list(std::string_view after, std::size_t limit) {
  std::vector<mcp::Prompt> all;
  for (const PromptText& text : prompt_texts()) {
    if (text.prompt.name <= after || all.size() == limit) continue;
    if (has_profile(text, profile_)) all.push_back(text.prompt);
  }
  return all;
}

std::optional<mcp::Prompt> HostPrompts::find(std::string_view name) {
  const PromptText* text = find_text(name, profile_);
  return text == nullptr ? std::nullopt : std::optional(text->prompt);
}

void HostPrompts::get(const std::shared_ptr<mcp::PromptCall>& call) {
  const PromptText* text = find_text(call->name(), profile_);
  if (text == nullptr) return;  // the server has looked; one without an answer says so itself
  auto messages = text->write({*call, sources_, profile_});
  if (!messages) return call->fail(mcp::invalid_params(messages.error().message));
  call->complete({text->prompt.description, messages.take()});
}

// --- completion ----------------------------------------------------------------------------------

void HostPrompts::complete(const mcp::CompletionRequest& request, mcp::WhenCompleted done) {
  const bool is_prompt = request.about == mcp::CompletionRequest::About::Prompt;
  std::vector<std::string> arguments;
  bool known = false;
  if (const PromptText* text = is_prompt ? find_text(request.reference, profile_) : nullptr) {
    known = true;
    for (const mcp::PromptArgument& each : text->prompt.arguments) arguments.push_back(each.name);
  } else if (!is_prompt && sources_.templates) {
    for (const mcp::ResourceTemplate& each : sources_.templates()) {
      if (each.uri_template != request.reference) continue;
      known = true;
      arguments = variables_of(each.uri_template);
    }
  }
  if (!known) {
    return done(Error{ErrorCode::InvalidArgument,
                      fmt::format("there is no {} {}", is_prompt ? "prompt" : "resource template",
                                  mcp::in_quotes(request.reference))});
  }
  if (!contains(arguments, request.argument)) {
    return done(Error{ErrorCode::InvalidArgument,
                      fmt::format("{} has no argument {}", mcp::in_quotes(request.reference),
                                  mcp::in_quotes(request.argument))});
  }
  mcp::Completion completion;
  for (std::string& each : candidates(request)) {
    if (begins_with(each, request.value)) completion.values.push_back(std::move(each));
  }
  completion.total = completion.values.size();
  done(std::move(completion));
}

// All values there are; of most arguments nothing is known.
std::vector<std::string> HostPrompts::candidates(const mcp::CompletionRequest& request) const {
  const std::string& name = request.argument;
  const auto from = [](const PromptSources::Names& names) {
    return names ? names() : std::vector<std::string>();
  };
  std::vector<std::string> values;
  if (name == "session") return from(sources_.sessions);
  if (name == "job_id") return from(sources_.jobs);
  if (name == "stream") return {"stdout", "stderr"};
  if (name == "format") return {"script", "notebook", "pytest"};
  if (name == "script" || name == "other") values = from(sources_.scripts);
  if (name == "python_version" || name == "other") {
    values.insert(values.end(), std::begin(kPythonVersions), std::end(kPythonVersions));
  }
  return values;
}

}  // namespace pyember::host
