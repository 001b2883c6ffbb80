// The view of a job: what it prints, how much memory and time it takes, and a button that ends it.
"use strict";

const host = new Host();
const output = new OutputPane($("output"), $("count"));
const memory = new Chart($("memory"), { x: seconds, y: bytes, base: 1024 });
const cpu = new Chart($("cpu"), { x: seconds, y: (value) => [value.toFixed(value < 10 ? 1 : 0), "%"] });
const memoryCurve = new GrowingCurve();
const cpuCurve = new GrowingCurve();

let follower = null;
let asked = {}; // the call's arguments
let last = null; // { elapsed, cpu } of the look before

function begin(result) {
  const known = result.structuredContent ?? {};
  const id = known.job_id ?? known.job?.id ?? asked.job_id;
  if (!id) return setNote(textOf(result) || "The call has named no job.", "danger");
  if (follower) return;
  $("title").replaceChildren(known.job?.label ?? asked.job_label ?? "Job", " ", element("small", "", id));
  follower = new JobFollower(host, id, told);
}

function told(state, error) {
  if (error) return setNote(`This job can't be followed any more: ${error.message}.`, "warning");
  const { job } = state;
  $("title").replaceChildren(job.label, " ", element("small", "", job.id));
  // A run that has ended is completed, whatever its exit code says.
  if (job.status === "completed" && state.exit_code) setStatus("failed", `exit code ${state.exit_code}`);
  else setStatus(job.status);
  setProgress(state.running ? job.progress : null);
  show($("stop"), state.running);
  showOutput(state);
  showFigures(state);
  showCurves(state);
  setNote(job.error ?? "", job.error ? "danger" : "");
  if (!state.running) tellModel(state);
}

function showOutput(state) {
  if (state.whole) output.clear();
  output.add("out", state.stdout);
  output.add("err", state.stderr);
}

function showFigures(state) {
  const row = $("figures");
  if (!state.running) row.replaceChildren();
  setFigure(row, state.running ? "Running for" : "Took", seconds(state.elapsed_seconds ?? 0));
  if (state.cpu_seconds != null) setFigure(row, "CPU time", seconds(state.cpu_seconds));
  if (state.running && state.memory_bytes != null) setFigure(row, "Memory", bytes(state.memory_bytes));
  if (state.peak_bytes) setFigure(row, "Most memory", bytes(state.peak_bytes));
  if (state.exit_code != null) setFigure(row, "Exit code", [String(state.exit_code)]);
}

function showCurves(state) {
  const at = state.elapsed_seconds;
  if (state.samples) {
    memoryCurve.points = state.samples;
  } else if (state.running && state.memory_bytes != null) {
    memoryCurve.add(at, state.memory_bytes);
  }
  if (state.running && state.cpu_seconds != null) {
    if (last && at > last.elapsed) {
      cpuCurve.add(at, Math.max(0, (state.cpu_seconds - last.cpu) / (at - last.elapsed) * 100));
    }
    last = { elapsed: at, cpu: state.cpu_seconds };
  }
  show($("curves"), memoryCurve.points.length > 1 || cpuCurve.points.length > 1);
  show($("cpu-panel"), cpuCurve.points.length > 1);
  memory.set([{ name: "memory", colour: "--curve-first", shape: "area", points: memoryCurve.points }], { x: at });
  cpu.set([{ name: "CPU", colour: "--curve-second", shape: "area", points: cpuCurve.points }], { x: at, y: 100 });
}

// So that the model need not ask whether its job is over.
function tellModel(state) {
  if (!host.capabilities.updateModelContext) return;
  const exit = state.exit_code == null ? "" : `, exit code ${state.exit_code}`;
  const text = `Job ${state.job.id} (${state.job.label}) is ${state.job.status}${exit}, after ${spoken(seconds(state.elapsed_seconds ?? 0))}.`;
  host.request("ui/update-model-context", { content: [{ type: "text", text }] }).catch(() => {});
}

host.on("ui/notifications/tool-input", (params) => {
  asked = params.arguments ?? {};
});
host.on("ui/notifications/tool-result", begin);
host.on("ui/notifications/tool-cancelled", () => {
  if (!follower) setStatus("cancelled");
});
host.on("ui/resource-teardown", () => {
  follower?.stop();
});
startView(host, "pyember-job", () => follower.cancel());
