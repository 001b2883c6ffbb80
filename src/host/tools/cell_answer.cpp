#include "host/tools/cell_answer.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdint>

#include "base/base64.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "host/session/session_file_resources.h"

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
  return text;
}

Json describe_error(const embed::CellError& error) {
  return {{"type", error.type}, {"message", error.message}, {"traceback", error.traceback}};
}

Json describe_displays(const std::string& session, embed::CellNumber number,
                       const DisplayStore::OfCell& displays) {
  Json described = Json::array();
  for (std::size_t i = 0; i < displays.size(); ++i) {
    described.push_back({{"mime", displays[i].mime},
                         {"uri", display_uri(session, number, i + 1)},
                         {"bytes", displays[i].data.size()}});
  }
  return described;
}

Json describe_files(const std::string& session, const std::vector<SessionFile>& files) {
  Json described = Json::array();
  for (const SessionFile& file : files) {
    described.push_back(
        {{"path", file.path}, {"bytes", file.bytes}, {"uri", file_uri(session, file.path)}});
    if (described.size() == limits::kPageSize) break;  // the others: list_files
  }
  return described;
}

bool is_picture(const StoredDisplay& display) {
  return display.mime == "image/png" || display.mime == "image/jpeg" ||
         display.mime == "image/gif" || display.mime == "image/webp";
}

Json link(std::string uri, std::string name, std::string_view mime, std::uint64_t size) {
  Json block = {{"type", "resource_link"}, {"uri", std::move(uri)}, {"name", std::move(name)}};
  if (!mime.empty()) block["mimeType"] = mime;
  block["size"] = size;
  return block;
}

// Puts what a cell showed into an answer, in its order, as long as there is room for it.
class DisplayBlocks {
 public:
  DisplayBlocks(Json& content, const std::string& session, embed::CellNumber number,
                std::size_t budget)
      : content_(content), session_(session), number_(number), characters_(budget) {}

  void add(const StoredDisplay& display, DisplayStore::Number at) {
    if (is_picture(display) && !display.only_linked && has_room_for_picture(display)) {
      content_.push_back(
          {{"type", "image"}, {"data", base64_encoded(display.data)}, {"mimeType", display.mime}});
    } else if ((display.mime == "text/markdown" || display.mime == "text/plain") &&
               has_room_for_text(display)) {
      content_.push_back(mcp::text_block(display.data));
    } else if (links_ < limits::kAnswerLinks) {
      ++links_;
      content_.push_back(link(display_uri(session_, number_, at),
                              fmt::format("display {} of cell {} in session {}{}", at, number_,
                                          session_, display.only_linked ? ", in full" : ""),
                              display.mime, display.data.size()));
    } else {
      ++left_out_;
    }
  }

  void end() {
    if (left_out_ == 0) return;
    content_.push_back(
        mcp::text_block(fmt::format("[{} more displays of cell {}: session-display://{}/{}/NUMBER]",
                                    left_out_, number_, session_, number_)));
  }

 private:
  bool has_room_for_picture(const StoredDisplay& display) {
    if (pictures_ == limits::kAnswerImages || display.data.size() > picture_bytes_) return false;
    ++pictures_;
    picture_bytes_ -= display.data.size();
    return true;
  }

  bool has_room_for_text(const StoredDisplay& display) {
    const std::size_t characters = utf8::count_characters(display.data);
    if (characters > characters_) return false;
    characters_ -= characters;
    return true;
  }

  Json& content_;
  const std::string& session_;
  const embed::CellNumber number_;
  std::size_t characters_;
  std::size_t pictures_ = 0;
  std::size_t picture_bytes_ = limits::kAnswerImageBytes;
  std::size_t links_ = 0;
  std::size_t left_out_ = 0;
};

void append_files(Json& content, const std::string& session,
                  const std::vector<SessionFile>& files) {
  std::string text = "[files]";
  for (std::size_t i = 0; i < files.size() && i < limits::kAnswerFiles; ++i) {
    text += fmt::format("\n{} ({} bytes)", files[i].path, files[i].bytes);
  }
  if (files.size() > limits::kAnswerFiles) {
    text += fmt::format("\n… and {} more: list_files names them all",
                        files.size() - limits::kAnswerFiles);
  }
  content.push_back(mcp::text_block(std::move(text)));
  for (std::size_t i = 0; i < files.size() && i < limits::kAnswerFiles; ++i) {
    content.push_back(link(file_uri(session, files[i].path), files[i].path,
                           mime_of_path(files[i].path), files[i].bytes));
  }
}

bool has_products(const CellEnd& end) {
  return end.products != nullptr && (end.products->displays().find(end.number) != nullptr ||
                                     end.products->files_of(end.number) != nullptr);
}

Json nullable(const char* type) { return Json::array({type, "null"}); }

}  // namespace

Json describe_outcome(const std::string& session, embed::CellNumber number,
                      const embed::CellOutcome& outcome, const Excerpt& excerpt,
                      Isolation isolation, const SessionProducts* products) {
  // Made in one piece: an object that grows copies its names, and this one is part of every answer.
  Json::object_t fields;
  fields.reserve(12);
  fields.emplace_back("status", embed::to_string(outcome.status));
  fields.emplace_back("stdout", excerpt.stdout_text);
  fields.emplace_back("stderr", excerpt.stderr_text);
  fields.emplace_back("result", outcome.result ? Json(*outcome.result) : Json(nullptr));
  fields.emplace_back("error", outcome.error ? describe_error(*outcome.error) : Json(nullptr));
  fields.emplace_back("session", session);
  fields.emplace_back("cell", number);
  fields.emplace_back("isolation", to_string(isolation));
  fields.emplace_back("elapsed_seconds", seconds(outcome.elapsed));
  fields.emplace_back("notices", outcome.notices);
  if (products == nullptr) return fields;
  if (const DisplayStore::OfCell* displays = products->displays().find(number)) {
    fields.emplace_back("displays", describe_displays(session, number, *displays));
  }
  if (const std::vector<SessionFile>* files = products->files_of(number)) {
    fields.emplace_back("files", describe_files(session, *files));
  }
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

void append_products(Json& content, const std::string& session, embed::CellNumber number,
                     const SessionProducts& products, std::size_t budget) {
  if (const DisplayStore::OfCell* displays = products.displays().find(number)) {
    DisplayBlocks blocks(content, session, number, budget);
    for (std::size_t i = 0; i < displays->size(); ++i) blocks.add((*displays)[i], i + 1);
    blocks.end();
  }
  if (const std::vector<SessionFile>* files = products.files_of(number)) {
    append_files(content, session, *files);
  }
}

mcp::ToolResult answer_for(CellEnd end, std::size_t output_budget) {
  const Excerpt excerpt = make_excerpt(end.output, end.session, end.number, output_budget);
  if (end.output != nullptr) {
    end.output->listed[0] |= excerpt.stdout_cut;
    end.output->listed[1] |= excerpt.stderr_cut;
  }
  mcp::ToolResult answer;
  answer.is_error = end.outcome.status != embed::Status::Completed;
  // Always the first block, for clients that look at no other.
  std::string text = text_for(end.outcome, excerpt);
  if (text.empty()) text = has_products(end) ? "(nothing printed)" : "(no output)";
  answer.content.push_back(mcp::text_block(std::move(text)));
  if (excerpt.cut()) {
    append_output_links(answer.content, end.session, end.number, end.output, excerpt);
  }
  if (end.products != nullptr) {
    append_products(answer.content, end.session, end.number, *end.products, output_budget);
  }
  answer.structured =
      describe_outcome(end.session, end.number, end.outcome, excerpt, end.isolation, end.products);
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
  properties["cell"] = {{"type", "integer"},
                        {"description", "number of the cell in its session; 0: not known"}};
  properties["isolation"] = {{"type", "string"}, {"description", "in which the cell ran"}};
  properties["job_id"] = {{"type", "string"}, {"description", "only with background=true"}};
  properties["elapsed_seconds"] = {{"type", "number"}};
  properties["notices"] = {{"type", "array"}, {"items", {{"type", "string"}}}};
  const Json text = {{"type", "string"}};
  const Json number = {{"type", "integer"}};
  properties["displays"] = {
      {"type", "array"},
      {"items",
       {{"type", "object"}, {"properties", {{"mime", text}, {"uri", text}, {"bytes", number}}}}}};
  properties["files"] = {
      {"type", "array"},
      {"description", "new or changed in the session's folder"},
      {"items",
       {{"type", "object"}, {"properties", {{"path", text}, {"bytes", number}, {"uri", text}}}}}};
  return {{"type", "object"},
          {"properties", properties},
          {"required",
           {"status", "stdout", "stderr", "result", "error", "session", "cell", "elapsed_seconds",
            "notices"}}};
}

}  // namespace pyember::host
