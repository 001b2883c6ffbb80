#include "host/tools/code_answer.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "base/limits.h"
#include "base/utf8.h"
#include "host/output/excerpt.h"
#include "host/tools/cell_answer.h"
#include "host/tools/toon.h"

namespace pyember::host {

using mcp::Json;

namespace {

using Status = CodeAnswer::Status;
using Lines = std::vector<std::string_view>;

constexpr int kRaised = 1;             // as Python ends after an exception
constexpr int kInterrupted = 128 + 2;  // as a shell tells SIGINT
constexpr std::string_view kBlank = " \t\v\f\r";
constexpr std::size_t kSummaryCharacters = 200;
constexpr const char* kSuccess = "Success";

const char* word(Status status) {
  switch (status) {
    case Status::Success:
      return "success";
    case Status::Error:
      return "error";
    case Status::Timeout:
      return "timeout";
    case Status::ValidationError:
      return "validation_error";
  }
  return "";
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

// Without blank lines at the beginning and the end; in compact mode without those that show an
// empty tuple, the value of many a call that returns nothing.
Lines lines_of(std::string_view text, OutputMode mode) {
  Lines lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::string_view said = trimmed(line);
    if (mode == OutputMode::Compact && said == "()") continue;
    if (said.empty() && lines.empty()) continue;
    lines.push_back(line);
  }
  while (!lines.empty() && trimmed(lines.back()).empty()) lines.pop_back();
  return lines;
}

Json said_in(const Lines& lines) {
  Json said = Json::array();
  for (const std::string_view line : lines) {
    if (!trimmed(line).empty()) said.push_back(std::string(line));
  }
  return said;
}

// The lines of an answer's two streams, read once.
struct Printed {
  Lines out;
  Lines errors;

  Printed(const CodeAnswer& answer, OutputMode mode)
      : out(lines_of(answer.out, mode)), errors(lines_of(answer.errors, mode)) {}
  bool any() const { return !out.empty() || !errors.empty(); }
};

std::string summary_of(const CodeAnswer& answer, const Printed& printed) {
  if (!answer.summary.empty() || answer.status != Status::Success) return answer.summary;
  return printed.any() ? kSuccess : "Success (no output)";
}

Json whole_seconds(std::chrono::milliseconds time) {
  if (time.count() % 1000 == 0) return time.count() / 1000;
  return static_cast<double>(time.count()) / 1000;
}

class Fields {
 public:
  void add(const char* name, Json value) {
    if (value.is_null() || (value.is_structured() && value.empty())) return;
    if (value.is_string() && value.get_ref<const std::string&>().empty()) return;
    fields_[name] = std::move(value);
  }
  Json take() { return std::move(fields_); }

 private:
  Json fields_ = Json::object();
};

// All of it, or only what is not plain from the rest.
Json fields_of(const CodeAnswer& answer, const Printed& printed, OutputMode mode) {
  const bool all = mode == OutputMode::Toon;
  const bool success = answer.status == Status::Success;
  Fields fields;
  if (all || !success) fields.add("status", word(answer.status));
  if (all || !success || printed.out.empty()) fields.add("summary", summary_of(answer, printed));
  if (answer.exit_code && (all || *answer.exit_code != 0))
    fields.add("exitCode", *answer.exit_code);
  fields.add("servers", answer.servers);
  fields.add("stdout", said_in(printed.out));
  fields.add("stderr", said_in(printed.errors));
  fields.add("error", answer.error);
  if (answer.timeout) fields.add("timeoutSeconds", whole_seconds(*answer.timeout));
  fields.add("notices", answer.notices);
  return fields.take();
}

void append_lines(Lines& text, const Lines& more) {
  text.insert(text.end(), more.begin(), more.end());
}

std::string compact_text(const CodeAnswer& answer, const Printed& printed) {
  const std::string status = fmt::format("status: {}", word(answer.status));
  const std::string exit = fmt::format("exit: {}", answer.exit_code.value_or(0));
  const std::string summary = summary_of(answer, printed);
  const std::string error = "error: " + answer.error;
  std::vector<std::string> notices;
  for (const std::string& each : answer.notices) notices.push_back("notice: " + each);
  Lines text;
  if (answer.status != Status::Success) text.push_back(status);
  if (answer.exit_code.value_or(0) != 0) text.push_back(exit);
  append_lines(text, printed.out);
  if (!printed.errors.empty()) text.push_back("stderr:");
  append_lines(text, printed.errors);
  if (!printed.any()) text.push_back(summary);
  const bool tells_error = !printed.any() || answer.status != Status::Error;
  if (!answer.error.empty() && tells_error) text.push_back(error);
  append_lines(text, Lines(notices.begin(), notices.end()));
  return fmt::format("{}", fmt::join(text, "\n"));
}

std::string fenced(const char* language, const std::string& text) {
  return fmt::format("```{}\n{}\n```", language, text);
}

std::string toon_text(const Json& fields) {
  if (const auto toon = to_toon(fields)) return fenced("toon", *toon);
  // nlohmann's other kind of object sorts its keys.
  constexpr auto kReplace = nlohmann::json::error_handler_t::replace;
  return fenced("json", nlohmann::json(fields).dump(2, ' ', false, kReplace));
}

// The number that code asked to exit with, out of what the runtime says of it; unset: it did not.
std::optional<int> asked_exit(const embed::CellError& error) {
  constexpr std::string_view kBegin = "the code asked to exit (";
  if (error.type != "SystemExit" || !error.message.starts_with(kBegin)) return std::nullopt;
  const std::string_view said = std::string_view(error.message).substr(kBegin.size());
  if (said.starts_with("False)")) return 0;
  int code = kRaised;  // of a text, which Python prints
  std::from_chars(said.data(), said.data() + said.size(), code);
  return code & 0xff;
}

void append_part(std::string& text, const std::string& part) {
  if (part.empty()) return;
  if (!text.empty() && text.back() != '\n') text += '\n';
  text += part;
}

std::string in_seconds(std::chrono::milliseconds time) {
  return fmt::format("{:g}s", static_cast<double>(time.count()) / 1000);
}

void tell_exit(CodeAnswer& answer, int code) {
  answer.exit_code = code;
  if (code == 0) return;
  answer.status = Status::Error;
  answer.error = fmt::format("Sandbox exited with code {}", code);
  answer.summary = "Sandbox error: " + answer.error;
}

void tell_raised(CodeAnswer& answer, const embed::CellError& error) {
  if (const auto code = asked_exit(error)) return tell_exit(answer, *code);
  if (error.traceback.empty()) {  // not of the code: it could not be run
    answer.status = Status::Error;
    answer.summary = "Sandbox error: the code was not run";
    answer.error = error.message;
    return;
  }
  append_part(answer.errors, error.traceback);
  tell_exit(answer, kRaised);
  answer.summary = fmt::format("Sandbox error: {}: {}", error.type,
                               utf8::head(error.message, kSummaryCharacters));
}

void tell_timeout(CodeAnswer& answer, std::chrono::milliseconds timeout) {
  answer.status = Status::Timeout;
  answer.summary = "Timeout: execution exceeded " + in_seconds(timeout);
  answer.error = fmt::format(
      "Execution exceeded {}, so the code was stopped; the session and its variables are still "
      "there. Work in chunks, pass a larger timeout, or start the server with a larger "
      "MCP_BRIDGE_TIMEOUT.",
      in_seconds(timeout));
  answer.timeout = timeout;
}

// Of a cell that was stopped, or whose session ended.
void tell_end(CodeAnswer& answer, const embed::CellOutcome& outcome) {
  answer.status = Status::Error;
  if (outcome.error) answer.error = outcome.error->message;
  const bool unrun = answer.error.starts_with("The cell was not run");
  if (outcome.status == embed::Status::Interrupted) {
    if (!unrun) answer.exit_code = kInterrupted;
    answer.summary = "Sandbox error: the code was interrupted";
    return;
  }
  if (outcome.error && !unrun) append_part(answer.errors, outcome.error->traceback);
  answer.summary =
      unrun ? "Sandbox error: the code was not run" : "Sandbox error: the session was lost";
}

bool has_products(const CellEnd& end) {
  return end.products != nullptr && (end.products->displays().find(end.number) != nullptr ||
                                     end.products->files_of(end.number) != nullptr);
}

CodeAnswer answer_of(const CellEnd& end, const CodeCall& call, const Excerpt& excerpt) {
  const embed::CellOutcome& outcome = end.outcome;
  CodeAnswer answer;
  answer.servers = call.servers;
  answer.out = excerpt.stdout_text;
  answer.errors = excerpt.stderr_text;
  if (outcome.result) append_part(answer.out, *outcome.result);
  answer.notices = outcome.notices;
  switch (outcome.status) {
    case embed::Status::Completed:
      answer.exit_code = 0;
      break;
    case embed::Status::Raised:
      tell_raised(answer, outcome.error.value_or(embed::CellError{}));
      break;
    case embed::Status::TimedOut:
      tell_timeout(answer, call.timeout);
      break;
    case embed::Status::Interrupted:
    case embed::Status::Lost:
      tell_end(answer, outcome);
      break;
  }
  if (answer.summary.empty() && has_products(end)) answer.summary = kSuccess;
  return answer;
}

}  // namespace

std::optional<OutputMode> parse_output_mode(std::string_view text) {
  if (text == "compact") return OutputMode::Compact;
  if (text == "toon") return OutputMode::Toon;
  return std::nullopt;
}

mcp::ToolResult rendered(const CodeAnswer& answer, OutputMode mode) {
  const Printed printed(answer, mode);
  mcp::ToolResult result;
  result.is_error = answer.status != Status::Success;
  result.structured = fields_of(answer, printed, mode);
  result.content.push_back(mcp::text_block(
      mode == OutputMode::Toon ? toon_text(result.structured) : compact_text(answer, printed)));
  return result;
}

CodeAnswer refused(std::string error, std::string advice) {
  CodeAnswer answer;
  answer.status = Status::ValidationError;
  answer.summary = std::move(advice);
  answer.error = std::move(error);
  return answer;
}

mcp::ToolResult code_answer_for(CellEnd end, const CodeCall& call, OutputMode mode,
                                std::size_t output_budget) {
  const Excerpt excerpt = make_excerpt(end.output, end.session, end.number, output_budget);
  if (end.output != nullptr) {
    end.output->listed[0] |= excerpt.stdout_cut;
    end.output->listed[1] |= excerpt.stderr_cut;
  }
  mcp::ToolResult result = rendered(answer_of(end, call, excerpt), mode);
  if (excerpt.cut()) {
    append_output_links(result.content, end.session, end.number, end.output, excerpt);
  }
  if (end.products != nullptr) {
    append_products(result.content, end.session, end.number, *end.products, output_budget);
  }
  return result;
}

}  // namespace pyember::host
