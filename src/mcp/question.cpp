#include "mcp/question.h"

#include "mcp/form.h"

#include <fmt/format.h>

#include <utility>

namespace pyember::mcp {
namespace {

Error unusable(const std::string& why) {
  return {ErrorCode::InvalidArgument,
          fmt::format("The question got no answer that can be used, because {}. Ask again, with a "
                      "client that answers as the question's form says.",
                      why)};
}

}  // namespace

Result<Answer> read_answer(const Json& result, const Json& requested_schema) {
  if (!result.is_object()) return unusable("the client's result is not an object");
  const auto action = result.find("action");
  if (action == result.end() || !action->is_string()) {
    return unusable("the client's result has no action");
  }
  const auto& word = action->get_ref<const std::string&>();
  if (word == "decline") return Answer{Answer::Action::Decline};
  if (word == "cancel") return Answer{Answer::Action::Cancel};
  if (word != "accept") return unusable("the client's action is none of accept, decline, cancel");
  Answer answer{Answer::Action::Accept};
  const auto content = result.find("content");
  if (content != result.end() && !content->is_null()) answer.content = *content;
  if (const auto mistake = form_mistake(requested_schema, answer.content)) {
    return unusable("its content doesn't fit the form: " + *mistake);
  }
  answer.content = fields_of_form(requested_schema, std::move(answer.content));
  return answer;
}

}  // namespace pyember::mcp
