#include "host/tools/cell_answer.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdint>

namespace pyember::host {

using mcp::Json;

namespace {

double seconds(std::chrono::nanoseconds duration) {
  const std::int64_t microseconds = duration.count() / 1000;  // are enough, and read better
  return static_cast<double>(microseconds) / 1e6;
}

void append_part(std::string& text, std::string_view label, std::string_view part) {
  if (!text.empty() && text.back() != '\n') text += '\n';
  text += label;
  text += part;
}

std::string headline(const embed::CellOutcome& outcome) {
  switch (outcome.status) {
    case embed::Status::Completed:
    case embed::Status::Raised:
      return {};
    case embed::Status::Interrupted:
      return fmt::format("[interrupted after {:.3f} s]", seconds(outcome.elapsed));
    case embed::Status::TimedOut:
      return fmt::format("[timed out after {:.3f} s]", seconds(outcome.elapsed));
    case embed::Status::Lost:
      return "[the session was lost]";
  }
  return {};
}

std::string text_for(const embed::CellOutcome& outcome, const Excerpt& excerpt) {
  std::string text = headline(outcome);
  const bool only_result =
      text.empty() && excerpt.stdout_text.empty() && excerpt.stderr_text.empty();
  if (!excerpt.stdout_text.empty()) append_part(text, "", excerpt.stdout_text);
  if (!excerpt.stderr_text.empty()) append_part(text, "[stderr]\n", excerpt.stderr_text);
  if (outcome.result) append_part(text, only_result ? "" : "[result] ", *outcome.result);
  if (outcome.error) {
    const embed::CellError& error = *outcome.error;
    append_part(text, "",
                error.traceback.empty() ? fmt::format("{}: {}", error.type, error.message)
                                        : error.traceback);
  }
  for (const std::string& notice : outcome.notices) append_part(text, "[notice] ", notice);
  if (text.empty()) text = "(no output)";
  return text;
}

Json describe_error(const embed::CellError& error) {
  return {{"type", error.type}, {"message", error.message}, {"traceback", error.traceback}};
}

Json nullable(const char* type) { return Json::array({type, "null"}); }

}  // namespace

Json describe_outcome(const std::string& session, embed::CellNumber number,
                      const embed::CellOutcome& outcome, const Excerpt& excerpt) {
  // Made in one piece: an object that grows copies its names, and this one is part of every answer.
  Json::object_t fields;
  fields.reserve(9);
  fields.emplace_back("status", embed::to_string(outcome.status));
  fields.emplace_back("stdout", excerpt.stdout_text);
  fields.emplace_back("stderr", excerpt.stderr_text);
  fields.emplace_back("result", outcome.result ? Json(*outcome.result) : Json(nullptr));
  fields.emplace_back("error", outcome.error ? describe_error(*outcome.error) : Json(nullptr));
  fields.emplace_back("session", session);
  fields.emplace_back("cell", number);
  fields.emplace_back("elapsed_seconds", seconds(outcome.elapsed));
  fields.emplace_back("notices", outcome.notices);
  return fields;
}

void append_output_links(Json& content, const std::string& session, embed::CellNumber number,
                         const CellOutput* output, const Excerpt& excerpt) {
  const auto link = [&](Stream stream) {
    content.push_back(
        {{"type", "resource_link"},
         {"uri", output_uri(session, number, stream)},
         {"name", fmt::format("{} of cell {} in session {}", to_string(stream), number, session)},
         {"description", "The whole output, in pages: add ?offset=BYTES&limit=BYTES for a part."},
         {"mimeType", "text/plain"},
         {"size", output->of(stream).size()}});
  };
  if (excerpt.stdout_cut) link(Stream::Stdout);
  if (excerpt.stderr_cut) link(Stream::Stderr);
}

mcp::ToolResult answer_for(CellEnd end, std::size_t output_budget) {
  const Excerpt excerpt = make_excerpt(end.output, end.session, end.number, output_budget);
  if (end.output != nullptr) {
    end.output->listed[0] |= excerpt.stdout_cut;
    end.output->listed[1] |= excerpt.stderr_cut;
  }
  mcp::ToolResult answer;
  answer.is_error = end.outcome.status != embed::Status::Completed;
  answer.content.push_back(mcp::text_block(text_for(end.outcome, excerpt)));
  if (excerpt.cut()) {
    append_output_links(answer.content, end.session, end.number, end.output, excerpt);
  }
  answer.structured = describe_outcome(end.session, end.number, end.outcome, excerpt);
  return answer;
}

Json cell_output_schema() {
  Json properties = Json::object();
  properties["status"] = {
      {"type", "string"},
      {"enum", {"completed", "raised", "interrupted", "timed_out", "lost", "running"}},
      {"description", "running: only with background=true. lost: the session's state is gone."}};
  properties["stdout"] = {{"type", "string"}};
  properties["stderr"] = {{"type", "string"}};
  properties["result"] = {{"type", nullable("string")},
                          {"description", "repr of the last expression"}};
  properties["error"] = {{"type", nullable("object")},
                         {"properties",
                          {{"type", {{"type", "string"}}},
                           {"message", {{"type", "string"}}},
                           {"traceback", {{"type", "string"}}}}},
                         {"required", {"type", "message", "traceback"}}};
  properties["session"] = {{"type", "string"}};
  properties["cell"] = {{"type", "integer"}, {"description", "number of the cell in its session"}};
  properties["job_id"] = {{"type", "string"}, {"description", "only with background=true"}};
  properties["elapsed_seconds"] = {{"type", "number"}};
  properties["notices"] = {{"type", "array"}, {"items", {{"type", "string"}}}};
  return {{"type", "object"},
          {"properties", properties},
          {"required",
           {"status", "stdout", "stderr", "result", "error", "session", "cell", "elapsed_seconds",
            "notices"}}};
}

}  // namespace pyember::host
