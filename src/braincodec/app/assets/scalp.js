// Responses of EEG channels: curves over time, and the scalp at one moment.
import {TABLE, placeOf, signed, unpack} from "./colours.js";

const GRID = 72; // pixels a side of the interpolated scalp
const SVG = "http://www.w3.org/2000/svg";
const MARGIN = {left: 44, right: 12, top: 12, bottom: 38};

function make(name, attributes, parent, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

// Solves a x = b for every column of b (arrays of rows), by elimination with pivots; a and b are changed.
export function solve(a, b) {
  const size = a.length;
  for (let column = 0; column < size; column += 1) {
    let best = column;
    for (let row = column + 1; row < size; row += 1) if (Math.abs(a[row][column]) > Math.abs(a[best][column])) best = row;
    [a[column], a[best], b[column], b[best]] = [a[best], a[column], b[best], b[column]];
    const pivot = a[column][column];
    if (Math.abs(pivot) < 1e-12) throw new Error("channels lie at one place");
    for (let row = 0; row < size; row += 1) {
      if (row === column) continue;
      const factor = a[row][column] / pivot;
      if (!factor) continue;
      for (let at = column; at < size; at += 1) a[row][at] -= factor * a[column][at];
      for (let at = 0; at < b[row].length; at += 1) b[row][at] -= factor * b[column][at];
    }
  }
  return b.map((row, at) => row.map((value) => value / a[at][at]));
}

const spline = (squared) => (squared > 0 ? 0.5 * squared * Math.log(squared) : 0);

// Weights (pixel, channel) of a thin-plate spline through the channels: values anywhere are weighted sums of theirs.
export function splineWeights(positions, pixels) {
  const known = positions.length;
  const system = Array.from({length: known + 3}, () => new Array(known + 3).fill(0));
  positions.forEach(([x, y], row) => {
    positions.forEach(([u, v], column) => { system[row][column] = spline((x - u) ** 2 + (y - v) ** 2); });
    [1, x, y].forEach((value, part) => { system[row][known + part] = system[known + part][row] = value; });
    system[row][row] += 1e-3; // a little smoothing: neighbours that disagree make no cliffs
  });
  const unit = Array.from({length: known + 3}, (_, row) => Array.from({length: known}, (_, column) => Number(row === column)));
  const inverse = solve(system, unit);
  return pixels.map(([x, y]) => {
    const weights = new Float32Array(known);
    const basis = positions.map(([u, v]) => spline((x - u) ** 2 + (y - v) ** 2)).concat([1, x, y]);
    basis.forEach((value, row) => { for (let at = 0; at < known; at += 1) weights[at] += value * inverse[row][at]; });
    return weights;
  });
}

export class Scalp {
  constructor(figure, changed) {
    this.curves = figure.querySelector("svg.curves");
    this.canvas = figure.querySelector("canvas");
    this.head = figure.querySelector("svg.head");
    this.slider = figure.querySelector("input[type=range]");
    this.moment = figure.querySelector(".moment");
    this.slider.addEventListener("input", () => this.choose(Number(this.slider.value), changed));
    this.curves.addEventListener("pointerdown", (event) => this.#point(event, changed));
    this.curves.addEventListener("pointermove", (event) => event.buttons && this.#point(event, changed));
    new ResizeObserver(() => this.data && this.#drawCurves()).observe(this.curves);
  }

  // what `braincodec.app.views.scalp` sends
  show(data) {
    const before = this.data && this.data.times[this.sample];
    const same = this.data && JSON.stringify(this.data.positions) === JSON.stringify(data.positions);
    this.data = {...data, numbers: unpack(data.values), chosen: new Set(data.chosen)};
    const {times} = this.data;
    Object.assign(this.slider, {min: 0, max: times.length - 1, step: 1});
    if (!same) this.#prepare();
    this.canvas.closest(".topography").hidden = !this.weights;
    this.#drawCurves();
    this.seek(before ?? data.peak);
  }

  seek(seconds) {
    const {times} = this.data;
    let nearest = 0;
    times.forEach((time, at) => { if (Math.abs(time - seconds) < Math.abs(times[nearest] - seconds)) nearest = at; });
    this.choose(nearest);
  }

  get seconds() {
    return this.data ? this.data.times[this.sample] : null;
  }

  choose(sample, changed) {
    this.sample = sample;
    this.slider.value = sample;
    const {times, unit} = this.data;
    const values = this.at(sample);
    const sizes = values.map((value) => (Number.isFinite(value) ? Math.abs(value) : -1));
    const largest = sizes.indexOf(Math.max(...sizes));
    const words = `${Math.round(1000 * times[sample])} ms`;
    this.slider.setAttribute("aria-valuetext", `${words}, largest at ${this.data.channels[largest]}`);
    this.moment.textContent = `${words} after the image appears; largest at ${this.data.channels[largest]}, ` +
      `${signed(values[largest])}${unit ? ` ${unit}` : ""}`;
    if (this.cursor) {
      this.cursor.setAttribute("x1", this.x(times[sample]));
      this.cursor.setAttribute("x2", this.x(times[sample]));
    }
    this.#drawHead(values);
    if (changed) changed();
  }

  at(sample) {
    const {channels, times, numbers} = this.data;
    return channels.map((_, channel) => numbers[channel * times.length + sample]);
  }

  #point(event, changed) {
    const box = this.curves.getBoundingClientRect();
    const part = (event.clientX - box.left - MARGIN.left) / (box.width - MARGIN.left - MARGIN.right);
    const {times} = this.data;
    this.seek(times[0] + Math.max(0, Math.min(1, part)) * (times.at(-1) - times[0]));
    changed();
  }

  #drawCurves() {
    const {times, channels, numbers, chosen, strong, low, high, unit} = this.data;
    const {width, height} = this.curves.getBoundingClientRect();
    if (width < 2) return;
    this.curves.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.curves.replaceChildren();
    const [first, last] = [times[0], times.at(-1)];
    this.x = (time) => MARGIN.left + ((time - first) / (last - first || 1)) * (width - MARGIN.left - MARGIN.right);
    const y = (value) => MARGIN.top + ((high - value) / (high - low)) * (height - MARGIN.top - MARGIN.bottom);
    this.#drawScales(y, width, height, unit);
    const line = (of) => times.map((time, at) => `${at ? "L" : "M"}${this.x(time).toFixed(1)} ${y(of(at)).toFixed(1)}`).join("");
    channels.forEach((name, channel) => {
      const from = channel * times.length;
      if (!Number.isFinite(numbers[from])) return;
      const path = make("path", {d: line((at) => numbers[from + at]), class: chosen.has(name) ? "channel" : "channel other"}, this.curves);
      make("title", {}, path, name);
    });
    const members = strong.map((name) => channels.indexOf(name));
    const mean = (at) => members.reduce((sum, channel) => sum + numbers[channel * times.length + at], 0) / members.length;
    if (members.length) make("path", {d: line(mean), class: "mean"}, this.curves);
    this.cursor = make("line", {class: "cursor", y1: MARGIN.top, y2: height - MARGIN.bottom, x1: 0, x2: 0}, this.curves);
    if (this.sample !== undefined && this.sample < times.length) {
      for (const end of ["x1", "x2"]) this.cursor.setAttribute(end, this.x(times[this.sample]));
    }
  }

  #drawScales(y, width, height, unit) {
    const {times, low, high} = this.data;
    const step = times.at(-1) - times[0] > 0.6 ? 0.2 : 0.1;
    for (let time = Math.ceil(times[0] / step - 1e-9) * step; time <= times.at(-1) + 1e-9; time += step) {
      make("line", {class: Math.abs(time) < 1e-9 ? "onset" : "tick", x1: this.x(time), x2: this.x(time), y1: MARGIN.top, y2: height - MARGIN.bottom}, this.curves);
      make("text", {x: this.x(time), y: height - 21, "text-anchor": "middle"}, this.curves, `${Math.round(1000 * time)}`);
    }
    make("text", {x: width - MARGIN.right, y: height - 3, "text-anchor": "end"}, this.curves, "ms after the image appears");
    for (const value of [low, 0, high]) {
      make("line", {class: value ? "tick" : "zero", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value)}, this.curves);
      make("text", {x: MARGIN.left - 6, y: y(value) + 4, "text-anchor": "end"}, this.curves, value ? signed(value, 1) : "0");
    }
    make("text", {x: 2, y: MARGIN.top + 22, class: "unit"}, this.curves, unit);
  }

  #prepare() {
    const {positions} = this.data;
    this.known = (positions || []).map((place, at) => (place && place.every(Number.isFinite) ? at : -1)).filter((at) => at >= 0);
    this.weights = null;
    this.head.replaceChildren();
    if (this.known.length < 4) return;
    this.pixels = [];
    for (let row = 0; row < GRID; row += 1) {
      for (let column = 0; column < GRID; column += 1) {
        const [x, y] = [((column + 0.5) / GRID) * 2 - 1, 1 - ((row + 0.5) / GRID) * 2];
        if (Math.hypot(x, y) <= 1.02) this.pixels.push([x, y, row * GRID + column]);
      }
    }
    const places = this.known.map((at) => positions[at]);
    this.weights = splineWeights(places, this.pixels);
    make("path", {class: "rim", d: "M-0.12 -0.99 L0 -1.14 L0.12 -0.99"}, this.head);
    make("circle", {class: "rim", r: 1}, this.head);
    this.dots = places.map(([x, y], at) => {
      const dot = make("circle", {class: Math.hypot(x, y) > 1.02 ? "sensor outside" : "sensor", cx: x, cy: -y, r: 0.016}, this.head);
      make("title", {}, dot, this.data.channels[this.known[at]]);
      return dot;
    });
  }

  #drawHead(values) {
    if (!this.weights) return;
    const known = this.known.map((at) => values[at]);
    this.canvas.width = this.canvas.height = GRID;
    const context = this.canvas.getContext("2d");
    const picture = new ImageData(GRID, GRID);
    this.pixels.forEach(([, , pixel], at) => {
      const weights = this.weights[at];
      let value = 0;
      for (let channel = 0; channel < known.length; channel += 1) value += weights[channel] * known[channel];
      const place = placeOf(value, this.data.low, this.data.high);
      picture.data.set([TABLE[place], TABLE[place + 1], TABLE[place + 2], 255], 4 * pixel);
    });
    context.putImageData(picture, 0, 0);
    this.known.forEach((channel, at) => this.dots[at].classList.toggle("chosen", this.data.chosen.has(this.data.channels[channel])));
  }
}
