#include "host/tools/benchmark_answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "host/jobs/job_folders.h"
#include "host/scripts/text_file.h"
#include "host/tools/markdown.h"
#include "host/tools/script_schemas.h"

namespace pyember::host {

using mcp::Json;

namespace {

constexpr double kMebi = 1048576;

double in_mebibytes(std::uint64_t bytes) {
  const std::uint64_t thousandths = bytes * 1000 / 1048576;
  return static_cast<double>(thousandths) / 1000;
}

Json pair_of(const Interval& interval) {
  return Json::array({rounded(interval.low), rounded(interval.high)});
}

Json numbers(const std::vector<double>& values) {
  Json list = Json::array();
  for (const double value : values) list.push_back(rounded(value));
  return list;
}

std::vector<double> values_of(const std::vector<Measurement>& runs, double Measurement::*member) {
  std::vector<double> values;
  values.reserve(runs.size());
  for (const Measurement& run : runs) values.push_back(run.*member);
  return values;
}

std::uint64_t largest_peak(const std::vector<Measurement>& runs) {
  std::uint64_t peak = 0;
  for (const Measurement& run : runs) peak = std::max(peak, run.peak_bytes);
  return peak;
}

Json summary_of(const std::vector<double>& values) {
  const Summary summary = summarize(values);
  return {{"median", rounded(summary.median)},        {"spread", rounded(summary.spread)},
          {"interval_99", pair_of(summary.interval)}, {"minimum", rounded(summary.minimum)},
          {"maximum", rounded(summary.maximum)},      {"values", numbers(values)}};
}

Json measurements_of(const std::vector<Measurement>& runs) {
  std::vector<double> peaks;
  peaks.reserve(runs.size());
  for (const Measurement& run : runs) {
    peaks.push_back(static_cast<double>(run.peak_bytes) / kMebi);
  }
  return {{"runs", runs.size()},
          {"wall_time_seconds", summary_of(values_of(runs, &Measurement::wall_seconds))},
          {"cpu_time_seconds", summary_of(values_of(runs, &Measurement::cpu_seconds))},
          {"peak_rss_mb", summary_of(peaks)}};
}

Json estimate_json(const RatioEstimate& estimate) {
  return {{"ratio", rounded(estimate.ratio)},
          {"interval_99", pair_of(estimate.interval)},
          {"verdict", to_string(estimate.verdict)}};
}

Json comparison_json(const BenchmarkPlan& plan, const BenchmarkSettings& settings) {
  const Comparison found = compare(plan.pairs(), settings.rules);
  const RatioEstimate& deciding = found.deciding();
  Json json = {{"verdict", to_string(deciding.verdict)},
               {"decided_by", to_string(found.decided_by)},
               {"ratio", rounded(deciding.ratio)},
               {"interval_99", pair_of(deciding.interval)},
               {"pairs", found.pairs},
               {"cpu_time", estimate_json(found.cpu)},
               {"wall_time", estimate_json(found.wall)}};
  if (!found.note.empty()) json["note"] = found.note;
  if (!plan.measured(Side::Candidate).empty()) {
    json["candidate"] = measurements_of(plan.measured(Side::Candidate));
  }
  return json;
}

Json bootstrap_json(const Bootstrap& how) {
  return {{"seed", how.seed}, {"resamples", how.resamples}, {"confidence", how.confidence}};
}

// Median figures, or those of the run that ended it before anything was measured.
void add_medians(Json& result, const BenchmarkOutcome& outcome, const BenchmarkPlan& plan) {
  const std::vector<Measurement>& runs = plan.measured(Side::Baseline);
  if (runs.empty()) return add_figures(result, outcome.last);
  result["wall_time_seconds"] = rounded(median(values_of(runs, &Measurement::wall_seconds)));
  result["cpu_time_seconds"] = rounded(median(values_of(runs, &Measurement::cpu_seconds)));
  result["peak_rss_mb"] = in_mebibytes(largest_peak(runs));
  result["peak_rss_source"] = outcome.peak_source;
}

void add_output(Json& result, const RunFacts& facts, const std::string& folder,
                const std::string& job_id) {
  const std::unique_ptr<JobOutput> output = folder_output(folder);
  const std::size_t budget =
      facts.max_output_chars > 0 ? facts.max_output_chars : limits::kJobAnswerBytes;
  const auto [for_out, for_err] = shared_budget(*output, budget);
  StreamExcerpt out = excerpt_of(*output, Stream::Stdout, for_out, job_id);
  StreamExcerpt err = excerpt_of(*output, Stream::Stderr, for_err, job_id);
  result["stdout"] = std::move(out.text);
  result["stderr"] = std::move(err.text);
  if (out.cut || err.cut) {
    result["output_cut"] = true;
    result["job_id"] = job_id;
  }
}

std::string note_for(const BenchmarkOutcome& outcome, const BenchmarkPlan& plan) {
  std::string note;
  const auto add = [&](const std::string& text) { note += (note.empty() ? "" : "; ") + text; };
  if (outcome.last.cancelled) add("cancelled");
  if (!outcome.fine && outcome.last_side == Side::Candidate) {
    add("it is the compared script that failed");
  }
  if (!outcome.last.error.empty()) add(outcome.last.error);
  if (plan.ended_early()) {
    add(fmt::format("timeout_seconds left time for {} pairs only", plan.pairs().size()));
  }
  return note;
}

void add_profile(Json& result, const BenchmarkOutcome& outcome) {
  if (!outcome.profile_end) return;
  Json profile = read_profile(outcome.profile_path);
  if (profile.is_null()) {
    profile = Json::object();
    profile["functions"] = Json::array();
    profile["note"] = outcome.profile_end->timed_out
                          ? "the profiled run was cut off by timeout_seconds"
                          : "the profiled run ended without writing its findings";
  }
  result["profile"] = std::move(profile);
}

}  // namespace

void add_figures(Json& result, const RunEnd& end) {
  result["wall_time_seconds"] = rounded(end.wall_seconds);
  result["cpu_time_seconds"] = rounded(end.cpu_seconds);
  result["peak_rss_mb"] = in_mebibytes(end.peak_bytes);
  result["peak_rss_source"] = end.peak_source;
}

Json benchmark_result(const RunFacts& facts, const BenchmarkOutcome& outcome,
                      const BenchmarkPlan& plan, const BenchmarkSettings& settings,
                      const std::string& job_id) {
  Json result = failed_run_result(facts, outcome.last.exit_code, "", outcome.seconds);
  add_output(result, facts, outcome.output_folder, job_id);
  if (outcome.last.timed_out) result["timed_out"] = true;
  if (!outcome.last.limit.empty()) result["limit"] = outcome.last.limit;
  if (const std::string note = note_for(outcome, plan); !note.empty()) result["note"] = note;
  if (settings.repeat != 0u) add_medians(result, outcome, plan);
  const std::vector<Measurement>& runs = plan.measured(Side::Baseline);
  const bool many = settings.repeat.value_or(1) > 1 || settings.compare;
  if (many && !runs.empty()) {
    result["measurements"] = measurements_of(runs);
    result["measurements"]["warmup"] = plan.warmups();
  }
  if (settings.compare && !plan.pairs().empty()) {
    result["comparison"] = comparison_json(plan, settings);
  }
  if (many && !runs.empty()) result["bootstrap"] = bootstrap_json(settings.rules.bootstrap);
  add_profile(result, outcome);
  return result;
}

Json read_profile(const std::string& path) {
  if (path.empty()) return nullptr;
  const Result<std::string> text = read_text_file(path, limits::kProfileBytes);
  if (!text) return nullptr;
  Result<Json> json = mcp::parse_json(text.value());
  if (!json || !json.value().is_object() || !json.value().contains("functions")) return nullptr;
  return json.take();
}

// --- schemas -----------------------------------------------------------------------------------

Json profile_schema() {
  const Json function = object_of({{"function", text_type()},
                                   {"file", text_type()},
                                   {"line", type("integer")},
                                   {"calls", type("integer")},
                                   {"own_seconds", type("number")},
                                   {"cumulative_seconds", type("number")}});
  return object_of({{"total_seconds?", type("number")},
                    {"calls?", type("integer")},
                    {"functions", list_of(function)},
                    {"note?", text_type()}});
}

Json benchmark_result_schema(bool extended) {
  Json schema = dependencies_result_schema();
  Json& properties = schema["properties"];
  for (const char* name : {"wall_time_seconds", "cpu_time_seconds", "peak_rss_mb"}) {
    properties[name] = type("number");
    schema["required"].push_back(name);
  }
  properties["peak_rss_source"] = text_type();
  if (extended) {
    for (const char* name : {"measurements", "comparison", "bootstrap"}) {
      properties[name] = type("object");
    }
    properties["profile"] = profile_schema();
  }
  return schema;
}

// --- markdown ----------------------------------------------------------------------------------

namespace {

std::string interval_text(const Json& interval) {
  return fmt::format("{:.4f} – {:.4f}", interval[0].get<double>(), interval[1].get<double>());
}

std::string summary_row(const char* title, const Json& summary) {
  return fmt::format("| {} | {:.4f} | {:.4f} | {} | {:.4f} | {:.4f} |\n", title,
                     summary["median"].get<double>(), summary["spread"].get<double>(),
                     interval_text(summary["interval_99"]), summary["minimum"].get<double>(),
                     summary["maximum"].get<double>());
}

std::string measurements_markdown(const std::string& title, const Json& measured) {
  return fmt::format(
             "\n### {}: {} runs\n| metric | median | spread | 99 % interval | least | most |\n"
             "|---|---|---|---|---|---|\n",
             title, measured["runs"].get<std::size_t>()) +
         summary_row("wall time, s", measured["wall_time_seconds"]) +
         summary_row("CPU time, s", measured["cpu_time_seconds"]) +
         summary_row("peak RSS, MiB", measured["peak_rss_mb"]);
}

std::string comparison_markdown(const Json& comparison) {
  std::string text = fmt::format(
      "\n### Comparison — {}\n- the compared script takes {:.3f} × the time (99 % interval {}), by "
      "{} of {} interleaved pairs\n",
      comparison["verdict"].get<std::string>(), comparison["ratio"].get<double>(),
      interval_text(comparison["interval_99"]),
      comparison["decided_by"] == "cpu_time" ? "CPU time" : "wall time",
      comparison["pairs"].get<std::size_t>());
  if (comparison.contains("note")) text += "- " + comparison["note"].get<std::string>() + "\n";
  text += "\n| by | ratio | 99 % interval | verdict |\n|---|---|---|---|\n";
  for (const auto& [title, member] :
       {std::pair{"CPU time", "cpu_time"}, std::pair{"wall time", "wall_time"}}) {
    const Json& estimate = comparison[member];
    text +=
        fmt::format("| {} | {:.4f} | {} | {} |\n", title, estimate["ratio"].get<double>(),
                    interval_text(estimate["interval_99"]), estimate["verdict"].get<std::string>());
  }
  return text;
}

std::string profile_markdown(const Json& profile) {
  std::string text = "\n### Profile\n";
  if (profile.contains("note")) text += "- " + profile["note"].get<std::string>() + "\n";
  if (profile.contains("total_seconds") && profile["total_seconds"].is_number()) {
    text += fmt::format("- {:.3f} s under the profiler\n", profile["total_seconds"].get<double>());
  }
  const Json& functions = profile["functions"];
  if (functions.empty()) return text;
  return text + "\n" +
         table({{"function", "function"},
                {"file", "file"},
                {"line", "line"},
                {"calls", "calls"},
                {"own s", "own_seconds"},
                {"cumulative s", "cumulative_seconds"}},
               functions, profile.value("functions_seen", functions.size()));
}

}  // namespace

std::string benchmark_markdown(const std::string& title, const Json& result) {
  std::string text = run_markdown(title, result);
  if (result.contains("comparison")) text += comparison_markdown(result["comparison"]);
  if (result.contains("measurements")) {
    text += measurements_markdown("Script", result["measurements"]);
  }
  if (result.contains("comparison") && result["comparison"].contains("candidate")) {
    text += measurements_markdown("Compared script", result["comparison"]["candidate"]);
  }
  if (result.contains("bootstrap")) {
    text += fmt::format("\nIntervals: bootstrap of {} resamples, seed {}.\n",
                        result["bootstrap"]["resamples"].get<std::size_t>(),
                        result["bootstrap"]["seed"].get<std::uint64_t>());
  }
  if (result.contains("profile")) text += profile_markdown(result["profile"]);
  return text;
}

}  // namespace pyember::host
