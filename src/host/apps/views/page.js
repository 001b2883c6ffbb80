// Small things both views are made of: elements, numbers as people read them, what terminals print.
"use strict";

const KEPT_OUTPUT = 400_000; // characters of a stream that stay on the page; the beginning goes first

const $ = (id) => document.getElementById(id);

// An element with a class, and texts or elements in it.
function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function show(node, wanted) {
  node.hidden = !wanted;
}

// [number, unit]
function seconds(value) {
  if (value >= 7200) return [(value / 3600).toFixed(1), "h"];
  if (value >= 120) return [`${Math.floor(value / 60)}:${String(Math.floor(value % 60)).padStart(2, "0")}`, "min"];
  if (value >= 10) return [value.toFixed(1), "s"];
  if (value >= 1 || value === 0) return [value.toFixed(2), "s"];
  return value >= 0.001 ? [(value * 1000).toPrecision(3), "ms"] : [(value * 1e6).toFixed(0), "µs"];
}

function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    ++unit;
  }
  return [value >= 100 || unit === 0 ? value.toFixed(0) : value.toFixed(1), units[unit]];
}

const spoken = ([number, unit]) => `${number} ${unit}`;

// A figure in the row of figures, made when it is first known.
function setFigure(row, name, [number, unit] = [], below = "") {
  if (number === undefined) return;
  let box = row.querySelector(`[data-name="${CSS.escape(name)}"]`);
  if (!box) {
    box = element("div", "figure", element("dt", "", name), element("dd"), element("p"));
    box.dataset.name = name;
    row.append(box);
  }
  box.children[1].replaceChildren(number, element("small", "", unit ?? ""));
  box.children[2].textContent = below;
}

// What a result says to people.
function textOf(result) {
  const blocks = Array.isArray(result.content) ? result.content : [];
  return blocks.filter((block) => block?.type === "text").map((block) => block.text).join("\n");
}

function setStatus(status, shown = status) {
  const pill = $("status");
  pill.textContent = shown;
  pill.className = `status ${status}`;
}

function setNote(text, kind = "") {
  const note = $("note");
  note.textContent = text;
  note.className = `note ${kind}`;
  show(note, Boolean(text));
}

function setProgress(progress) {
  const known = progress && progress.total > 0;
  show($("progress"), known);
  if (!known) return;
  const share = Math.min(1, progress.current / progress.total);
  $("progress").querySelector("i").style.width = `${(share * 100).toFixed(1)}%`;
  $("progress").lastElementChild.textContent = progress.message || `${progress.current} of ${progress.total}`;
}

// The buttons of a view, and its host. `cancel` ends what is shown.
function startView(host, name, cancel) {
  host.on("changed", () => show($("fullscreen"), host.canFillScreen));
  $("fullscreen").addEventListener("click", () => host.toggleFullscreen().catch(() => {}));
  $("stop").addEventListener("click", async () => {
    $("stop").disabled = true;
    try {
      await cancel();
    } catch (error) {
      setNote(`It could not be ended: ${error.message}.`, "danger");
      $("stop").disabled = false;
    }
  });
  host.connect(name).catch((error) => setNote(`This view has no host it could work with: ${error.message}.`, "danger"));
}

// What a stream's text looks like on a terminal that only goes forward: no escape sequences, and of a line that was
// written several times over its last state.
class TerminalText {
  #rest = ""; // an escape sequence or a return whose continuation has not come
  #done = ""; // whole lines
  #line = "";

  get text() {
    return this.#done + this.#line;
  }

  add(piece) {
    let fresh = this.#rest + piece;
    const cut = fresh.search(/(\x1b(\[[0-9;?]*)?|\r)$/);
    this.#rest = cut < 0 ? "" : fresh.slice(cut);
    if (cut >= 0) fresh = fresh.slice(0, cut);
    fresh = fresh.replace(/\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*\x07?|[@-Z\\^_])/g, "").replaceAll("\r\n", "\n");
    const lines = (this.#line + fresh).split("\n").map((line) => line.split("\r").findLast((part) => part !== "") ?? "");
    this.#line = lines.pop();
    for (const line of lines) this.#done += `${line}\n`;
    if (this.#done.length > KEPT_OUTPUT) this.#done = `…${this.#done.slice(-KEPT_OUTPUT)}`;
  }
}

// Both streams in one pane, which follows its end unless somebody has scrolled up.
class OutputPane {
  #pane;
  #count;
  #streams = {};
  #characters = 0;

  constructor(pane, count) {
    this.#pane = pane;
    this.#count = count;
    this.clear();
  }

  clear() {
    for (const name of ["out", "err"]) this.#streams[name] = { terminal: new TerminalText(), node: null };
    this.#characters = 0;
    this.#pane.replaceChildren();
  }

  add(name, piece) {
    if (!piece) return;
    const following = this.#pane.scrollTop + this.#pane.clientHeight >= this.#pane.scrollHeight - 4;
    const stream = this.#streams[name];
    if (!stream.node) this.#pane.append((stream.node = element("span", name)));
    stream.terminal.add(piece);
    stream.node.textContent = stream.terminal.text;
    this.#characters += piece.length;
    this.#count.textContent = `${this.#characters.toLocaleString()} characters`;
    if (following) this.#pane.scrollTop = this.#pane.scrollHeight;
  }
}
