// Curves and rows of dots as SVG, drawn anew when they change or their room does. Points are [x, y]; colours are names
// of CSS variables, so that light and dark need no drawing.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const MARGIN = { top: 8, right: 8, bottom: 20, left: 44 };

function drawn(name, attributes, parent) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  parent?.append(node);
  return node;
}

// About `count` round steps that cover 0 (or `low`) to `high`. `base`: 1024 for bytes.
function ticks(low, high, count, base = 10) {
  const span = Math.max(high - low, Number.MIN_VALUE);
  const unit = base ** Math.floor(Math.log(span / count) / Math.log(base));
  const steps = base === 10 ? [1, 2, 5, 10] : [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
  const step = unit * (steps.find((each) => unit * each * count >= span) ?? base);
  const first = Math.floor(low / step + 1e-9) * step;
  const values = [];
  for (let value = first; value < high + step * (1 - 1e-9) && values.length < 24; value += step) values.push(value);
  return values.length > 1 ? values : [first, first + step];
}

// A chart that measures its own room.
class Chart {
  #box;
  #svg;
  #hint;
  #data = null;

  // `x`, `y`: a value to [number, unit]. `fromZero`: the y axis begins there.
  constructor(box, { x, y, base = 10, fromZero = true, integers = false }) {
    this.#box = box;
    this.x = x;
    this.y = y;
    this.base = base;
    this.fromZero = fromZero;
    this.integers = integers;
    box.classList.add("chart");
    this.#svg = drawn("svg", { role: "img" });
    this.#hint = element("div", "hint");
    show(this.#hint, false);
    box.append(this.#svg, this.#hint);
    new ResizeObserver(() => this.#draw()).observe(box);
    box.addEventListener("pointermove", (event) => this.#point(event));
    box.addEventListener("pointerleave", () => this.#unpoint());
  }

  // series: [{ name, colour, points, shape: "area" | "dots", middle, band: [low, high] }]; `limits`: x and y that are
  // to be seen at least.
  set(series, limits = {}) {
    this.#data = { series: series.filter((each) => each.points.length > 0), limits };
    this.#draw();
  }

  #scales(width, height) {
    const all = this.#data.series.flatMap((each) => each.points);
    const bands = this.#data.series.flatMap((each) => each.band ?? []);
    const ys = [...all.map((point) => point[1]), ...bands];
    const lowest = Math.min(...ys);
    const highest = Math.max(this.#data.limits.y ?? -Infinity, ...ys);
    const pad = this.fromZero ? 0 : Math.max((highest - lowest) * 0.15, highest * 0.02);
    const yTicks = ticks(this.fromZero ? 0 : Math.max(0, lowest - pad), (highest + pad) || 1, 4, this.base);
    const right = Math.max(this.#data.limits.x ?? 0, ...all.map((point) => point[0])) || 1;
    const left = this.integers ? 1 : 0;
    const edge = this.integers ? 0.5 : 0;
    const span = { x: [left - edge, right + edge], y: [yTicks[0], yTicks.at(-1)] };
    return {
      yTicks,
      xTicks: this.#xTicks(left, right),
      x: (value) => MARGIN.left + (value - span.x[0]) / (span.x[1] - span.x[0]) * (width - MARGIN.left - MARGIN.right),
      y: (value) => height - MARGIN.bottom - (value - span.y[0]) / (span.y[1] - span.y[0]) * (height - MARGIN.top - MARGIN.bottom),
    };
  }

  #xTicks(left, right) {
    const round = ticks(0, right, this.integers ? 6 : 5).filter((value) => value >= left && value <= right);
    if (!this.integers) return round;
    const whole = round.filter((value) => Number.isInteger(value) && value > left + 1);
    return [left, ...whole];
  }

  #draw() {
    const { width, height } = this.#box.getBoundingClientRect();
    this.#svg.replaceChildren();
    this.#unpoint();
    if (!this.#data?.series.length || width < 80) return;
    this.#svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const scale = (this.scale = this.#scales(width, height));
    for (const value of scale.yTicks) {
      const at = scale.y(value);
      drawn("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: at, y2: at }, this.#svg);
      drawn("text", { x: MARGIN.left - 6, y: at + 3.5, "text-anchor": "end" }, this.#svg).textContent = this.#label(this.y, value);
    }
    for (const value of scale.xTicks) {
      const at = scale.x(value);
      const anchor = at > width - MARGIN.right - 16 && !this.integers ? "end" : "middle";
      drawn("text", { x: at, y: height - 5, "text-anchor": anchor }, this.#svg).textContent = this.#label(this.x, value);
    }
    this.#svg.setAttribute("aria-label", this.#data.series.map((each) => `${each.name}: ${each.points.length} points`).join("; "));
    for (const each of this.#data.series) (each.shape === "dots" ? this.#drawDots : this.#drawArea).call(this, each, scale);
  }

  #label(write, value) {
    if (value === 0) return "0";
    const [number, unit] = write(value);
    return `${number.includes(".") ? number.replace(/\.?0+$/, "") : number}${unit ? ` ${unit}` : ""}`;
  }

  #drawArea({ points, colour }, scale) {
    const line = points.map(([x, y], index) => `${index ? "L" : "M"}${scale.x(x).toFixed(1)} ${scale.y(y).toFixed(1)}`).join("");
    const [first, last] = [points[0], points.at(-1)];
    const floor = scale.y(scale.yTicks[0]).toFixed(1);
    drawn("path", { d: `${line}L${scale.x(last[0]).toFixed(1)} ${floor}L${scale.x(first[0]).toFixed(1)} ${floor}Z`, fill: `var(${colour})`, opacity: 0.14 }, this.#svg);
    drawn("path", { d: line, fill: "none", stroke: `var(${colour})`, "stroke-width": 1.75, "stroke-linejoin": "round" }, this.#svg);
    if (points.length === 1) drawn("circle", { cx: scale.x(last[0]), cy: scale.y(last[1]), r: 2.5, fill: `var(${colour})` }, this.#svg);
  }

  // Each value, the interval of their middle, and the middle.
  #drawDots({ points, colour, middle, band }, scale) {
    const [left, right] = [MARGIN.left, this.#box.clientWidth - MARGIN.right];
    if (band && band[1] > band[0]) {
      drawn("rect", { x: left, width: right - left, y: scale.y(band[1]), height: scale.y(band[0]) - scale.y(band[1]), fill: `var(${colour})`, opacity: 0.12 }, this.#svg);
    }
    if (middle !== undefined) {
      drawn("line", { x1: left, x2: right, y1: scale.y(middle), y2: scale.y(middle), stroke: `var(${colour})`, "stroke-width": 1.25, opacity: 0.75 }, this.#svg);
    }
    for (const [x, y] of points) drawn("circle", { cx: scale.x(x), cy: scale.y(y), r: 3, fill: `var(${colour})`, opacity: 0.85 }, this.#svg);
  }

  // The values where the pointer is.
  #point(event) {
    this.#unpoint();
    if (!this.#data?.series.length || !this.scale) return;
    const at = event.clientX - this.#box.getBoundingClientRect().left;
    const nearest = (points) => points.reduce((best, each) =>
      Math.abs(this.scale.x(each[0]) - at) < Math.abs(this.scale.x(best[0]) - at) ? each : best);
    const found = this.#data.series.map((each) => [each.name, nearest(each.points)]);
    const x = this.scale.x(found[0][1][0]);
    const { height } = this.#box.getBoundingClientRect();
    drawn("line", { class: "cursor", x1: x, x2: x, y1: MARGIN.top, y2: height - MARGIN.bottom }, this.#svg);
    this.#hint.textContent = `${spoken(this.x(found[0][1][0]))}: ${found.map(([name, point]) =>
      `${found.length > 1 ? `${name} ` : ""}${spoken(this.y(point[1]))}`).join(", ")}`;
    show(this.#hint, true);
    const room = this.#box.clientWidth - this.#hint.offsetWidth;
    this.#hint.style.left = `${Math.max(0, Math.min(room, x + 8))}px`;
  }

  #unpoint() {
    show(this.#hint, false);
    this.#svg.querySelector(".cursor")?.remove();
  }
}

// A curve that grows: when it has too many points, every second one goes.
class GrowingCurve {
  #most;
  points = [];

  constructor(most = 600) {
    this.#most = most;
  }

  add(x, y) {
    if (this.points.length && x <= this.points.at(-1)[0]) return;
    this.points.push([x, y]);
    if (this.points.length > this.#most) this.points = this.points.filter((_, index) => index % 2 === 0);
  }
}
