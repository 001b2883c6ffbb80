#include "host/tools/quality_tools.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/limits.h"
#include "host/scripts/text_file.h"
#include "host/tools/arguments.h"
#include "host/tools/markdown.h"
#include "host/tools/quality_work.h"
#include "host/tools/script_schemas.h"
#include "mcp/json_members.h"

namespace pyember::host {

using mcp::Json;
using mcp::text_in;

namespace {

using Call = std::shared_ptr<mcp::ToolCall>;
using Work = std::shared_ptr<QualityWork>;

// From before their next major versions, which may say things otherwise.
constexpr const char* kRuff = "ruff>=0.12,<1";
constexpr const char* kBandit = "bandit>=1.8,<2";
constexpr std::int64_t kDefaultFindings = 100;

std::string program(const ReadyEnvironment& environment, const char* name) {
  return environment.python.substr(0, environment.python.rfind('/') + 1) + name;
}

std::int64_t integer_in(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number() ? found->get<std::int64_t>() : 0;
}

// --- format_code ---------------------------------------------------------------------------------

// The name of our own file says nothing to the caller.
std::string with_shown_name(const QualityWork& work, std::string text) {
  if (!work.is_inline()) return text;
  const std::string& own = work.code();
  for (std::size_t at = 0; (at = text.find(own, at)) != std::string::npos;) {
    text.replace(at, own.size(), work.shown(own));
  }
  return text;
}

Error not_formatted(const QualityWork& work, const CommandEnd& end) {
  const std::string why = end.errors.empty() ? "ruff gave no reason" : end.errors;
  return {ErrorCode::InvalidArgument,
          fmt::format("the code can't be formatted: {}\nCorrect what is named there; nothing was "
                      "changed.",
                      with_shown_name(work, why))};
}

std::string format_markdown(const std::string& title, const Json& result) {
  const bool changed = result.value("changed", false);
  const char* what = !changed                         ? "✅ already formatted"
                     : result.value("written", false) ? "✅ written"
                                                      : "✅ formatted";
  std::string text = fmt::format("## {} — {}\n", title, what);
  if (result.contains("path")) text += "\n- " + text_in(result, "path") + "\n";
  if (!changed) return text;
  if (result.contains("formatted")) {
    text += "\n### formatted\n" + fenced(text_in(result, "formatted"), "python");
  }
  return text + "\n### diff\n" + fenced(text_in(result, "diff"), "diff");
}

void answer_formatted(const Work& work, const std::string& diff, bool written) {
  Json result = Json::object();
  result["changed"] = !diff.empty();
  if (work->is_inline()) {
    const Result<std::string> text = read_text_file(work->code(), limits::kMaximumScriptBytes);
    if (!text) return work->fail(text.error());
    result["formatted"] = text.value();
  } else {
    result["path"] = work->code();
    result["written"] = written && !diff.empty();
  }
  result["diff"] = diff;
  work->answer(std::move(result), format_markdown);
}

// First what would change, then the change itself: inline code is formatted in its own file, files
// of the caller only with `write`.
void format_with(const Work& work, const ReadyEnvironment& environment, bool write,
                 std::vector<std::string> options) {
  std::vector<std::string> command{program(environment, "ruff"), "format", "--no-cache"};
  if (!work->takes_settings()) command.emplace_back("--isolated");
  command.insert(command.end(), options.begin(), options.end());
  std::vector<std::string> look = command;
  look.insert(look.end(), {"--diff", work->code()});
  command.push_back(work->code());
  work->run(std::move(look), [work, write, command = std::move(command)](const CommandEnd& seen) {
    if (seen.exit_code != 0 && seen.exit_code != 1) return work->fail(not_formatted(*work, seen));
    const std::string diff = with_shown_name(*work, seen.output);
    if (diff.empty() || (!write && !work->is_inline())) {
      return answer_formatted(work, diff, false);
    }
    work->run(command, [work, diff](const CommandEnd& done) {
      if (done.exit_code != 0) return work->fail(not_formatted(*work, done));
      answer_formatted(work, diff, true);
    });
  });
}

void format_code(const Work& work) {
  const Arguments arguments(work->arguments());
  const bool write = arguments.flag("write", false);
  const std::int64_t width = arguments.integer("line_length", 0);
  if (width < 0 || width > 320) {
    return work->fail({ErrorCode::InvalidArgument,
                       fmt::format("line_length={} can't be used.\nGive 1 to 320.", width)});
  }
  std::vector<std::string> options;
  if (width > 0) options = {"--line-length", std::to_string(width)};
  if (!work->find_code()) return;
  work->with_packages({kRuff}, [work, write, options](const ReadyEnvironment& environment) {
    format_with(work, environment, write, options);
  });
}

// --- static_analysis
// -------------------------------------------------------------------------------

Result<Json> read_report(const std::string& path) {
  const Result<std::string> text = read_text_file(path, limits::kReportBytes);
  if (!text) return text.error();
  mcp::JsonBounds bounds = mcp::JsonBounds::standard();
  bounds.members = limits::kReportMembers;  // bandit names every file
  bounds.values = limits::kReportValues;
  return mcp::parse_json(text.value(), bounds);
}

Error no_report(const char* tool, const CommandEnd& end) {
  return {ErrorCode::Unavailable,
          fmt::format("{} did not report: {} (exit code {}).\nName a smaller directory, or a file.",
                      tool, end.errors.empty() ? "its report is missing or too large" : end.errors,
                      end.exit_code)};
}

// What breaks the program first: ruff itself calls everything an error.
const char* severity_of_ruff(const std::string& code) {
  if (code.empty() || code == "invalid-syntax") return "high";
  if (code.starts_with("E9") || code.starts_with("F8")) return "high";
  return code.starts_with("F") || code.starts_with("B") || code.starts_with("S") ? "medium" : "low";
}

const char* severity_of_bandit(const std::string& name) {
  return name == "HIGH" ? "high" : name == "MEDIUM" ? "medium" : "low";
}

int rank(const std::string& severity) {
  return severity == "high" ? 0 : severity == "medium" ? 1 : 2;
}

void add_ruff(const Work& work, const Json& report, std::vector<Json>& findings) {
  for (const Json& each : report) {
    const Json place = each.value("location", Json::object());
    const std::string code = text_in(each, "code");
    Json finding = Json::object();
    finding["tool"] = "ruff";
    finding["code"] = code.empty() ? "invalid-syntax" : code;
    finding["severity"] = severity_of_ruff(code);
    finding["file"] = work->shown(text_in(each, "filename"));
    finding["line"] = integer_in(place, "row");
    finding["column"] = integer_in(place, "column");
    finding["message"] = text_in(each, "message");
    findings.push_back(std::move(finding));
  }
}

void add_bandit(const Work& work, const Json& report, std::vector<Json>& findings) {
  const auto results = report.find("results");
  if (results == report.end()) return;
  for (const Json& each : *results) {
    Json finding = Json::object();
    finding["tool"] = "bandit";
    finding["code"] = text_in(each, "test_id");
    finding["severity"] = severity_of_bandit(text_in(each, "issue_severity"));
    finding["file"] = work->shown(text_in(each, "filename"));
    finding["line"] = integer_in(each, "line_number");
    finding["column"] = integer_in(each, "col_offset") + 1;  // ruff counts from 1, bandit from 0
    finding["message"] = text_in(each, "issue_text");
    findings.push_back(std::move(finding));
  }
}

std::string analysis_markdown(const std::string& title, const Json& result) {
  const auto total = result.value("total", std::size_t{0});
  std::string text = fmt::format("## {} — {}\n\n- {}\n\n", title,
                                 total == 0 ? "✅ nothing found" : fmt::format("{} found", total),
                                 text_in(result, "path"));
  return text + table({{"severity", "severity"},
                       {"tool", "tool"},
                       {"code", "code"},
                       {"file", "file"},
                       {"line", "line"},
                       {"message", "message"}},
                      result["findings"], total);
}

void answer_findings(const Work& work, std::vector<Json> findings, std::size_t limit) {
  std::stable_sort(findings.begin(), findings.end(), [](const Json& a, const Json& b) {
    return rank(a["severity"].get_ref<const std::string&>()) <
           rank(b["severity"].get_ref<const std::string&>());
  });
  Json result = Json::object();
  result["path"] = work->shown(work->code());
  result["total"] = findings.size();
  Json by_severity = {{"high", 0}, {"medium", 0}, {"low", 0}};
  for (const Json& each : findings) {
    Json& count = by_severity[each["severity"].get<std::string>()];
    count = count.get<int>() + 1;
  }
  result["by_severity"] = std::move(by_severity);
  result["findings"] = Json::array();
  for (std::size_t i = 0; i < std::min(limit, findings.size()); ++i) {
    result["findings"].push_back(std::move(findings[i]));
  }
  work->answer(std::move(result), analysis_markdown);
}

void run_bandit(const Work& work, const ReadyEnvironment& environment, std::vector<Json> findings,
                std::size_t limit) {
  const std::string report = work->file("bandit.json");
  std::vector<std::string> command{
      environment.python, "-m", "bandit", "-q", "-r", "-f", "json", "-o", report, work->code()};
  work->run(std::move(command),
            [work, report, findings = std::move(findings), limit](const CommandEnd& end) mutable {
              const Result<Json> found = read_report(report);
              if (!found) return work->fail(no_report("bandit", end));
              add_bandit(work, found.value(), findings);
              answer_findings(work, std::move(findings), limit);
            });
}

void analyse_with(const Work& work, const ReadyEnvironment& environment, std::size_t limit) {
  const std::string report = work->file("ruff.json");
  std::vector<std::string> command{program(environment, "ruff"),
                                   "check",
                                   "--no-cache",
                                   "--no-fix",
                                   "--output-format",
                                   "json",
                                   "--output-file",
                                   report};
  if (!work->takes_settings()) command.emplace_back("--isolated");
  command.push_back(work->code());
  work->run(std::move(command), [work, environment, report, limit](const CommandEnd& end) {
    const Result<Json> found = read_report(report);
    if (!found || !found.value().is_array()) return work->fail(no_report("ruff", end));
    std::vector<Json> findings;
    add_ruff(work, found.value(), findings);
    run_bandit(work, environment, std::move(findings), limit);
  });
}

void analyse(const Work& work) {
  const std::int64_t limit = Arguments(work->arguments()).integer("limit", kDefaultFindings);
  if (limit < 1 || limit > static_cast<std::int64_t>(limits::kMaximumFindings)) {
    return work->fail(
        {ErrorCode::InvalidArgument, fmt::format("limit={} can't be used.\nGive 1 to {} findings.",
                                                 limit, limits::kMaximumFindings)});
  }
  if (!work->find_code()) return;
  work->with_packages({kBandit, kRuff}, [work, limit](const ReadyEnvironment& environment) {
    analyse_with(work, environment, static_cast<std::size_t>(limit));
  });
}

void add(mcp::ToolCatalog& catalog, mcp::Tool tool, const QualityParts& parts,
         void (*begin)(const Work&)) {
  tool.null_is_absent = true;
  const AnswerForm form{tool.name, tool.title};
  tool.tasking = mcp::Tool::Tasking::Optional;
  tool.handler = [parts, form, begin](const Call& call) {
    begin(std::make_shared<QualityWork>(parts, call, form));
  };
  catalog.add(std::move(tool));
}

}  // namespace

void add_quality_tools(mcp::ToolCatalog& catalog, const QualityParts& parts) {
  mcp::Tool format;
  format.name = "format_code";
  format.title = "Format code";
  format.description =
      "Format Python with ruff. Inline code is returned; files are changed only with write.";
  format.input_schema = InputSchema(true)
                            .text("script_path", "file or directory, or script_content")
                            .text("script_content")
                            .flag("write")
                            .integer("line_length", 88)
                            .take();
  format.output_schema = object_of({{"changed", type("boolean")},
                                    {"diff", text_type()},
                                    {"formatted?", text_type()},
                                    {"path?", text_type()},
                                    {"written?", type("boolean")}});
  format.annotations = hints(Effect::Destroys);
  format.meta = tags({"quality"});
  add(catalog, std::move(format), parts, format_code);

  mcp::Tool analysis;
  analysis.name = "static_analysis";
  analysis.title = "Static analysis";
  analysis.description = "Look for errors and security risks with ruff and bandit.";
  analysis.input_schema = InputSchema(true)
                              .text("script_path", "file or directory, or script_content")
                              .text("script_content")
                              .integer("limit", kDefaultFindings)
                              .take();
  const Json finding = object_of({{"tool", text_type()},
                                  {"code", text_type()},
                                  {"severity", text_type()},
                                  {"file", text_type()},
                                  {"line", type("integer")},
                                  {"column", type("integer")},
                                  {"message", text_type()}});
  analysis.output_schema = object_of({{"path", text_type()},
                                      {"total", type("integer")},
                                      {"by_severity", type("object")},
                                      {"findings", list_of(finding)}});
  analysis.annotations = hints(Effect::Reads);
  analysis.meta = tags({"quality", "security"});
  add(catalog, std::move(analysis), parts, analyse);
}

}  // namespace pyember::host
