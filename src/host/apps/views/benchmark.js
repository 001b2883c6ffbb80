// The view of a benchmark: live while it goes on, then what was measured, the verdict of a comparison, the memory over
// time, every run, and what the profiler found.
"use strict";

const CURVE = "pyember/memory_curve"; // in the _meta of a result: [[seconds, bytes], …]
const MIB = 1024 * 1024;
const SHOWN_FUNCTIONS = 12;
const SCRIPT = "--curve-first";
const COMPARED = "--curve-second";

const host = new Host();
const output = new OutputPane($("output"), $("count"));
const memory = new Chart($("memory"), { x: seconds, y: bytes, base: 1024 });
const runs = new Chart($("runs"), { x: (value) => [String(value), ""], y: seconds, fromZero: false, integers: true });

let follower = null;
let asked = {};
let over = false;

// --- while it goes on --------------------------------------------------------------------------

function nameOf(script) {
  return script.script_path?.split("/").pop() ?? (script.script_content ? "inline script" : "");
}

function named() {
  const other = asked.compare && nameOf(asked.compare);
  const compared = asked.compare && (other && other !== nameOf(asked) ? other : "another version");
  $("title").replaceChildren(asked.job_label ?? (nameOf(asked) || "Benchmark"));
  if (compared) $("title").append(" ", element("small", "", `compared with ${compared}`));
}

// The call's answer is still to come, and it is not known which job the call is: the only one that runs under its label.
async function findJob() {
  const label = asked.job_label ?? host.context.toolInfo?.tool?.name ?? "benchmark_script";
  while (!over && !follower && host.capabilities.serverTools) {
    const answer = await host.callTool("py_list_jobs", { status_filter: "running", limit: 20 }).catch(() => null);
    const ours = (answer?.structuredContent?.jobs ?? []).filter((job) => job.label === label);
    if (over || follower || ours.length > 1) return;
    if (ours.length === 1) follow(ours[0].id);
    else await new Promise((resolve) => setTimeout(resolve, STEADY));
  }
}

function follow(id) {
  follower = new JobFollower(host, id, told);
}

function told(state, error) {
  if (error) {
    // The answer of a call that somebody waits for takes its job away.
    if (!over && !GONE.includes(error.code)) setNote(`This benchmark can't be followed any more: ${error.message}.`, "warning");
    return;
  }
  if (!over) setStatus(state.job.status);
  const many = state.runs && { current: state.runs.over, total: state.runs.expected };
  setProgress(state.running ? state.job.progress ?? many : null);
  show($("stop"), state.running);
  if (state.samples) showMemory(state.samples);
  if (state.running) {
    setFigure($("figures"), "Running for", seconds(state.elapsed_seconds ?? 0));
    if (state.memory_bytes != null) setFigure($("figures"), "Memory", bytes(state.memory_bytes));
    if (state.runs) showRuns(state.runs.script, state.runs.compared);
    showOutput(state, state.whole);
  } else if (state.job.result && state.job.result.exit_code !== undefined) {
    finish(state.job.result, state.job.status);
  } else {
    setNote(state.job.error || "The benchmark has ended without a result.", "danger");
  }
}

function showOutput(text, whole) {
  if (whole) output.clear();
  output.add("out", text.stdout);
  output.add("err", text.stderr);
}

// --- what came out -----------------------------------------------------------------------------

function begin(result) {
  const known = result.structuredContent ?? {};
  if (known.job_id && known.exit_code === undefined) {
    if (!follower) follow(known.job_id);
    return;
  }
  follower?.stop();
  show($("stop"), false);
  setProgress(null);
  if (known.exit_code === undefined) {
    setStatus("failed");
    return setNote(textOf(result) || "The benchmark has ended without a result.", "danger");
  }
  const curve = result._meta?.[CURVE];
  if (Array.isArray(curve)) showMemory(curve);
  finish(known, known.exit_code === 0 && !known.timed_out && !known.limit ? "completed" : "failed");
}

function finish(result, status) {
  over = true;
  setStatus(status);
  const why = [result.timed_out && "It was ended by timeout_seconds.", result.limit && `It was ended by its limit of ${result.limit}.`,
    result.exit_code !== 0 && `Exit code ${result.exit_code}.`, result.note].filter(Boolean);
  setNote(why.join("\n"), result.exit_code !== 0 ? "danger" : "");
  $("figures").replaceChildren();
  showFigures(result);
  if (result.measurements) showRuns(points(result.measurements), points(result.comparison?.candidate), result);
  if (result.comparison) showVerdict(result.comparison);
  if (result.profile?.functions?.length) showProfile(result.profile);
  showOutput(result, true);
  $("texts").open = result.exit_code !== 0;
}

function interval(summary, write) {
  if (!summary || !(summary.interval_99?.[1] > summary.interval_99?.[0])) return "";
  return `${spoken(write(summary.interval_99[0]))} – ${spoken(write(summary.interval_99[1]))}`;
}

function showFigures(result) {
  const row = $("figures");
  const measured = result.measurements;
  const middle = measured ? ", median" : "";
  if (result.wall_time_seconds !== undefined) {
    setFigure(row, `Wall time${middle}`, seconds(result.wall_time_seconds), interval(measured?.wall_time_seconds, seconds));
    setFigure(row, `CPU time${middle}`, seconds(result.cpu_time_seconds), interval(measured?.cpu_time_seconds, seconds));
    setFigure(row, "Most memory", bytes(result.peak_rss_mb * MIB), result.peak_rss_source === "cgroup" ? "all processes" : result.peak_rss_source);
  }
  if (measured) setFigure(row, "Runs", [String(measured.runs)], measured.warmup ? `after ${measured.warmup} to warm up` : "");
  if (result.setup_seconds) setFigure(row, "Environment", seconds(result.setup_seconds), "made before");
}

function showMemory(samples) {
  show($("memory-panel"), samples.length > 1);
  show($("curves"), true);
  memory.set([{ name: "memory", colour: SCRIPT, shape: "area", points: samples }]);
}

const points = (measured) => (measured?.wall_time_seconds.values ?? []).map((wall) => [wall]);

function showRuns(script = [], compared = [], result = null) {
  if (script.length + compared.length < 2) return;
  const row = (list, name, colour, summary) => ({
    name, colour, shape: "dots", points: list.map((run, index) => [index + 1, run[0]]),
    middle: summary?.median, band: summary?.interval_99,
  });
  show($("runs-panel"), true);
  show($("curves"), true);
  const own = nameOf(asked) || "script";
  const other = (asked.compare && nameOf(asked.compare)) || "compared";
  const [first, second] = own === other ? ["script", "compared"] : [own, other];
  $("legend").replaceChildren(...(compared.length ? [[first, SCRIPT], [second, COMPARED]] : []).map(([name, colour]) => {
    const key = element("span", "", name);
    key.style.setProperty("--key", `var(${colour})`);
    return key;
  }));
  runs.set([row(script, first, SCRIPT, result?.measurements?.wall_time_seconds),
    row(compared, second, COMPARED, result?.comparison?.candidate?.wall_time_seconds)]);
}

function showVerdict(comparison) {
  const box = $("verdict");
  const change = Math.abs(1 - comparison.ratio) * 100;
  const word = comparison.verdict;
  const by = comparison.decided_by === "cpu_time" ? "CPU time" : "wall time";
  const [low, high] = comparison.interval_99;
  const title = word === "no difference" ? "No difference" : `The compared script is ${change.toFixed(change < 10 ? 1 : 0)} % ${word}`;
  box.className = `verdict ${word}`;
  box.replaceChildren(element("strong", "", title), element("span", "",
    `${comparison.ratio.toFixed(3)} × the ${by}, 99 % interval ${low.toFixed(3)} – ${high.toFixed(3)}, ${comparison.pairs} pairs by turns`));
  if (comparison.note) box.append(element("span", "", comparison.note));
  show(box, true);
}

function showProfile(profile) {
  const functions = profile.functions.slice(0, SHOWN_FUNCTIONS);
  const most = Math.max(...functions.map((each) => each.cumulative_seconds), Number.MIN_VALUE);
  $("functions").replaceChildren(...functions.map((each) => {
    const where = each.line > 0 ? `${each.file.split("/").pop()}:${each.line}` : "";
    const bar = element("span", "bar", element("i"));
    bar.firstChild.style.width = `${Math.max(1, each.cumulative_seconds / most * 100)}%`;
    return element("tr", "", element("td", "", element("code", "", each.function), element("small", "", where)),
      element("td", "", each.calls.toLocaleString()), element("td", "", spoken(seconds(each.own_seconds))),
      element("td", "", spoken(seconds(each.cumulative_seconds))), element("td", "", bar));
  }));
  show($("profile"), true);
}

// --- the host ----------------------------------------------------------------------------------

host.on("ui/notifications/tool-input", (params) => {
  asked = params.arguments ?? {};
  named();
  setStatus("running");
  findJob();
});
host.on("ui/notifications/tool-result", begin);
host.on("ui/notifications/tool-cancelled", () => {
  over = true;
  follower?.stop();
  show($("stop"), false);
  setStatus("cancelled");
});
host.on("ui/resource-teardown", () => {
  over = true;
  follower?.stop();
});
startView(host, "pyember-benchmark", () => follower.cancel());
