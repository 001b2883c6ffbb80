#include "host/tools/markdown.h"
#include "mcp/json_members.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace pyember::host {

using mcp::Json;
using mcp::text_in;

namespace {

constexpr std::size_t kLongText = 200;  // longer, or of several lines: a fenced block

const Json* member(const Json& object, std::string_view name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

// A value on one line, as a table or a bullet shows it.
std::string plain(const Json& value) {
  if (value.is_null()) return {};
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_number_float()) {
    const double number = value.get<double>();
    return std::abs(number) >= 100 ? fmt::format("{:.1f}", number) : fmt::format("{:.3f}", number);
  }
  if (value.is_array()) {
    std::string joined;
    for (const Json& each : value) {
      if (!joined.empty()) joined += ", ";
      joined += plain(each);
    }
    return joined.empty() ? "none" : joined;
  }
  return mcp::to_json_text(value);
}

void append_stream(std::string& text, const Json& result, const char* name) {
  const std::string content = text_in(result, name);
  if (content.empty()) return;
  text += fmt::format("\n### {}\n{}", name, fenced(content));
}

// The names of a run's facts as the bullet line shows them; empty: the value speaks for itself.
struct Fact {
  const char* member;
  const char* label;
  const char* unit;
};
constexpr Fact kFacts[] = {{"status", "", ""},
                           {"execution_strategy", "", ""},
                           {"isolation", "in a ", ""},
                           {"python_version_used", "python ", ""},
                           {"elapsed_seconds", "", " s"},
                           {"setup_seconds", "set-up ", " s"},
                           {"resolved_dependencies", "dependencies: ", ""},
                           {"auto_added_dependencies", "found in imports: ", ""},
                           {"locked_dependencies", "installed: ", ""},
                           {"limit", "ended by limit: ", ""},
                           {"label", "label: ", ""},
                           {"job_id", "job ", ""},
                           {"autosaved", "saved as ", ""},
                           {"note", "", ""}};

std::string facts_line(const Json& result) {
  std::string line;
  for (const Fact& fact : kFacts) {
    const Json* value = member(result, fact.member);
    if (value == nullptr || (value->is_array() && value->empty())) continue;
    line += line.empty() ? "- " : " · ";
    line += fact.label + plain(*value) + fact.unit;
  }
  return line.empty() ? line : line + "\n";
}

std::string run_status(const Json& result) {
  if (const Json* timed_out = member(result, "timed_out"); timed_out && *timed_out == true) {
    return "⏱ timeout";
  }
  const Json* code = member(result, "exit_code");
  if (code == nullptr || *code == "None") return text_in(result, "status");
  const std::string number = plain(*code);
  return (number == "0" ? "✅ exit " : "❌ exit ") + number;
}

bool is_background(const Json& result) {
  return result.contains("job_id") && result.contains("status") && !result.contains("exit_code");
}

std::string heading(const std::string& title, const std::string& status) {
  return status.empty() ? fmt::format("## {}\n", title)
                        : fmt::format("## {} — {}\n", title, status);
}

}  // namespace

std::string fenced(std::string_view text, std::string_view language) {
  std::size_t longest = 2;
  std::size_t run = 0;
  for (const char c : text) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  const std::string fence(longest + 1, '`');
  const char* end = text.empty() || text.back() == '\n' ? "" : "\n";
  return fmt::format("{}{}\n{}{}{}\n", fence, language, text, end, fence);
}

std::string table_cell(std::string_view text) {
  std::string cell;
  for (const char c : text) {
    if (c == '|') cell += '\\';
    cell += c == '\n' || c == '\r' ? ' ' : c;
  }
  return cell;
}

std::string inline_code(std::string_view text) {
  const std::string line = table_cell(text);
  return line.find('`') == std::string::npos ? fmt::format("`{}`", line)
                                             : fmt::format("`` {} ``", line);
}

std::string table(const std::vector<Column>& columns, const Json& rows, std::size_t total) {
  std::string text;
  if (!rows.empty()) {
    std::string rule;
    for (const Column& column : columns) {
      text += fmt::format("| {} ", column.title);
      rule += "|---";
    }
    text += "|\n" + rule + "|\n";
    for (const Json& row : rows) {
      for (const Column& column : columns) {
        const Json* value = member(row, column.member);
        text += fmt::format("| {} ", value != nullptr ? table_cell(plain(*value)) : "");
      }
      text += "|\n";
    }
    text += "\n";
  }
  return text + fmt::format("{} of {} shown\n", rows.size(), std::max(total, rows.size()));
}

std::string figures_table(const Json& result, const std::vector<Column>& rows) {
  std::string text;
  for (const Column& row : rows) {
    const Json* value = member(result, row.member);
    if (value == nullptr) continue;
    text += fmt::format("| {} | {} |\n", row.title, table_cell(plain(*value)));
  }
  return text.empty() ? text : "| metric | value |\n|---|---|\n" + text;
}

std::string run_markdown(const std::string& title, const Json& result) {
  if (is_background(result)) return background_markdown(title, result);
  std::string text = heading(title, run_status(result)) + "\n" + facts_line(result);
  append_stream(text, result, "stdout");
  append_stream(text, result, "stderr");
  const std::string figures = figures_table(result, {{"wall time, s", "wall_time_seconds"},
                                                     {"CPU time, s", "cpu_time_seconds"},
                                                     {"peak RSS, MiB", "peak_rss_mb"},
                                                     {"peak measured by", "peak_rss_source"}});
  if (!figures.empty()) text += "\n" + figures;
  return text;
}

std::string background_markdown(const std::string& title, const Json& descriptor) {
  const std::string id = text_in(descriptor, "job_id");
  std::string text = heading(title, "⏳ background") + "\n" + facts_line(descriptor);
  if (const std::string message = text_in(descriptor, "message"); !message.empty()) {
    text += "\n" + message + "\n";
  }
  return text + fmt::format(
                    "\n**Next:** `py_job_status(job_id=\"{}\")`; `get_job_output` reads its "
                    "output, `py_cancel_job` ends it.\n",
                    id);
}

std::string fields_markdown(const std::string& title, const Json& fields) {
  std::string text = heading(title, "") + "\n";
  std::string blocks;
  for (const auto& [name, value] : fields.items()) {
    if (value.is_null()) continue;
    const std::string shown = plain(value);
    if (shown.size() > kLongText || shown.find('\n') != std::string::npos) {
      blocks += fmt::format("\n### {}\n{}", name, fenced(shown));
    } else if (!shown.empty()) {
      text += fmt::format("- {}: {}\n", name, shown);
    }
  }
  return text + blocks;
}

std::string error_markdown(std::string_view tool, std::string_view cause, std::string_view fix) {
  std::string text = fmt::format("## {} — error\n\n{}\n", tool, cause);
  if (!fix.empty()) text += fmt::format("\n**Fix:** {}\n", fix);
  return text;
}

}  // namespace pyember::host
