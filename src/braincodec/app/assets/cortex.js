// A cortex that can be turned, drawn by the processor: it looks the same on a phone, through a remote desktop and
// without a graphics card. Triangles are covered first (which one, and where in it, for each pixel), then coloured.
import {Camera, HEMISPHERES, axes} from "./camera.js";
import {TABLE, bytes, placeOf, unpack} from "./colours.js";

const GYRUS = 0.86, SULCUS = 0.70, AMBIENT = 0.62, DIRECTED = 0.42;
// pixels of the picture for each of the page: when it lies still, and while it turns
const STILL = 2, MOVING = 1, MOST_PIXELS = 1.6e6;
// of colours outside the chosen region that remain
const FADED = 0.22;
const GAP = 10; // mm
const OUTLINE = [20, 24, 30];
const NONE = -1;

export async function loadMesh(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`the cortex could not be loaded (${answer.status})`);
  const buffer = await answer.arrayBuffer();
  const [vertices, triangles, perMillimetre] = new Uint32Array(buffer, 0, 3);
  let at = 12;
  const part = (type, count) => {
    const array = new type(buffer.slice(at, at + count * type.BYTES_PER_ELEMENT));
    at += count * type.BYTES_PER_ELEMENT;
    return array;
  };
  return HEMISPHERES.map(() => {
    const points = Float32Array.from(part(Int16Array, 3 * vertices), (whole) => whole / perMillimetre);
    const faces = part(Uint16Array, 3 * triangles);
    const sulcus = part(Uint8Array, vertices);
    return {points, faces, sulcus, normals: normalsOf(points, faces), vertices};
  });
}

function normalsOf(points, faces) {
  const sums = new Float32Array(points.length);
  for (let face = 0; face < faces.length; face += 3) {
    const [a, b, c] = [3 * faces[face], 3 * faces[face + 1], 3 * faces[face + 2]];
    const [ux, uy, uz] = [points[b] - points[a], points[b + 1] - points[a + 1], points[b + 2] - points[a + 2]];
    const [vx, vy, vz] = [points[c] - points[a], points[c + 1] - points[a + 1], points[c + 2] - points[a + 2]];
    const normal = [uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx];
    for (const corner of [a, b, c]) for (let part = 0; part < 3; part += 1) sums[corner + part] += normal[part];
  }
  for (let at = 0; at < sums.length; at += 3) {
    const length = Math.hypot(sums[at], sums[at + 1], sums[at + 2]) || 1;
    for (let part = 0; part < 3; part += 1) sums[at + part] /= length;
  }
  return sums;
}

export class Cortex {
  constructor(canvas, mesh) {
    this.canvas = canvas;
    this.mesh = mesh;
    this.context = canvas.getContext("2d");
    this.hemisphere = "both";
    this.camera = new Camera((moving) => this.draw(moving));
    this.values = null;
    new ResizeObserver(() => this.draw(false)).observe(canvas);
  }

  // what `braincodec.app.views.cortex` sends; null shows the bare cortex
  show(data) {
    this.values = data && {
      low: data.low,
      high: data.high,
      numbers: HEMISPHERES.map((name) => unpack(data[name])),
      labels: HEMISPHERES.map((name) => bytes(data.labels[name])),
      names: data.names,
      chosen: data.mask && HEMISPHERES.map((name) => bytes(data.mask[name])),
    };
    this.canvas.dataset.values = data ? "yes" : "no";
    this.draw(false);
  }

  choose(hemisphere) {
    this.hemisphere = hemisphere;
    this.draw(false);
  }

  // value, region and hemisphere of the vertex at a place of the page; null beside the brain
  at(clientX, clientY) {
    const box = this.canvas.getBoundingClientRect();
    const column = Math.floor(((clientX - box.left) / box.width) * this.width);
    const row = Math.floor(((clientY - box.top) / box.height) * this.height);
    if (!this.owner || column < 0 || row < 0 || column >= this.width || row >= this.height) return null;
    const pixel = row * this.width + column;
    const face = this.owner[pixel];
    if (face === NONE) return null;
    const side = this.side[pixel];
    const faces = this.mesh[side].faces;
    const weights = [this.first[pixel], this.second[pixel], 1 - this.first[pixel] - this.second[pixel]];
    const vertex = faces[face + weights.indexOf(Math.max(...weights))];
    const label = this.values ? this.values.labels[side][vertex] : 0;
    return {
      hemisphere: HEMISPHERES[side],
      value: this.values ? this.values.numbers[side][vertex] : NaN,
      region: label ? this.values.names[label - 1] : null,
    };
  }

  draw(moving) {
    this.wanted = moving ? MOVING : STILL;
    this.canvas.dataset.drawn = "no";
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.#paint(this.wanted);
      clearTimeout(this.settling);
      if (this.camera.gliding) return;
      if (this.wanted === MOVING) this.settling = setTimeout(() => this.draw(false), 150);
      else this.canvas.dataset.drawn = "yes"; // it lies still, and every pixel is there
    });
  }

  #paint(density) {
    const box = this.canvas.getBoundingClientRect();
    if (box.width < 2 || box.height < 2) return;
    const fitting = Math.min(density, Math.sqrt(MOST_PIXELS / (box.width * box.height)));
    this.#size(Math.round(box.width * fitting), Math.round(box.height * fitting));
    this.owner.fill(NONE);
    this.depth.fill(-Infinity);
    const shown = this.hemisphere === "both" ? [0, 1] : [HEMISPHERES.indexOf(this.hemisphere)];
    const scale = this.#scale(shown.length) * this.camera.zoom;
    shown.forEach((side, place) => {
      const middle = (this.width * (2 * place + 1)) / (2 * shown.length);
      this.#cover(side, scale, middle, shown.length > 1 ? [place * this.width / 2, (place + 1) * this.width / 2] : [0, this.width]);
    });
    this.#colour();
    if (this.canvas.width !== this.width || this.canvas.height !== this.height) {
      this.canvas.width = this.width;
      this.canvas.height = this.height;
    }
    this.context.putImageData(this.picture, 0, 0);
  }

  #size(width, height) {
    if (this.width === width && this.height === height) return;
    [this.width, this.height] = [width, height];
    const pixels = width * height;
    this.owner = new Int32Array(pixels);
    this.depth = new Float32Array(pixels);
    this.first = new Float32Array(pixels);
    this.second = new Float32Array(pixels);
    this.side = new Uint8Array(pixels);
    this.inside = new Uint8Array(pixels);
    this.picture = new ImageData(width, height);
  }

  // pixels per millimetre at which a hemisphere fits from wherever it is seen
  #scale(shown) {
    let widest = 0, tallest = 0;
    const turned = ["left", "right"].map((name) => axes(...this.camera.angles(name)));
    this.mesh.forEach(({points}, side) => {
      const {right, up} = turned[side];
      for (let at = 0; at < points.length; at += 21) {
        const [x, y, z] = [points[at], points[at + 1], points[at + 2]];
        widest = Math.max(widest, Math.abs(x * right[0] + y * right[1] + z * right[2]));
        tallest = Math.max(tallest, Math.abs(x * up[0] + y * up[1] + z * up[2]));
      }
    });
    return Math.min(this.width / shown / (2 * widest + GAP), this.height / (2 * tallest + GAP));
  }

  #cover(side, scale, middle, [from, to]) {
    const {points, faces, vertices} = this.mesh[side];
    const {camera, right, up} = axes(...this.camera.angles(HEMISPHERES[side]));
    const x = new Float32Array(vertices), y = new Float32Array(vertices), z = new Float32Array(vertices);
    const centre = this.height / 2;
    for (let vertex = 0, at = 0; vertex < vertices; vertex += 1, at += 3) {
      const px = points[at], py = points[at + 1], pz = points[at + 2];
      x[vertex] = middle + scale * (px * right[0] + py * right[1] + pz * right[2]);
      y[vertex] = centre - scale * (px * up[0] + py * up[1] + pz * up[2]);
      z[vertex] = px * camera[0] + py * camera[1] + pz * camera[2];
    }
    this.towards = this.towards || [];
    this.towards[side] = camera;
    const {width, height, depth, owner, first, second, side: sides} = this;
    for (let face = 0; face < faces.length; face += 3) {
      const a = faces[face], b = faces[face + 1], c = faces[face + 2];
      const ax = x[a], ay = y[a], bx = x[b], by = y[b], cx = x[c], cy = y[c];
      const area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);
      if (area >= 0) continue; // it looks away: rows grow downwards
      const left = Math.max(Math.ceil(from), Math.ceil(Math.min(ax, bx, cx) - 0.5));
      const last = Math.min(Math.floor(to) - 1, Math.floor(Math.max(ax, bx, cx) - 0.5));
      const top = Math.max(0, Math.ceil(Math.min(ay, by, cy) - 0.5));
      const bottom = Math.min(height - 1, Math.floor(Math.max(ay, by, cy) - 0.5));
      const za = z[a], zb = z[b], zc = z[c];
      for (let row = top; row <= bottom; row += 1) {
        const py = row + 0.5;
        for (let column = left; column <= last; column += 1) {
          const px = column + 0.5;
          const wa = ((bx - px) * (cy - py) - (by - py) * (cx - px)) / area;
          const wb = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) / area;
          const wc = 1 - wa - wb;
          if (wa < -1e-4 || wb < -1e-4 || wc < -1e-4) continue;
          const near = wa * za + wb * zb + wc * zc;
          const pixel = row * width + column;
          if (near <= depth[pixel]) continue;
          depth[pixel] = near;
          owner[pixel] = face;
          first[pixel] = wa;
          second[pixel] = wb;
          sides[pixel] = side;
        }
      }
    }
  }

  #colour() {
    const {owner, first, second, side, inside, values, mesh} = this;
    const target = this.picture.data;
    const chosen = values && values.chosen;
    for (let pixel = 0, at = 0; pixel < owner.length; pixel += 1, at += 4) {
      inside[pixel] = 0;
      if (owner[pixel] === NONE) {
        target[at + 3] = 0;
        continue;
      }
      const half = side[pixel], face = owner[pixel];
      const {faces, sulcus, normals} = mesh[half];
      const a = faces[face], b = faces[face + 1], c = faces[face + 2];
      const wa = first[pixel], wb = second[pixel], wc = 1 - wa - wb;
      const camera = this.towards[half];
      let facing = 0;
      for (let part = 0; part < 3; part += 1) {
        facing += camera[part] * (wa * normals[3 * a + part] + wb * normals[3 * b + part] + wc * normals[3 * c + part]);
      }
      const light = Math.min(1, AMBIENT + DIRECTED * Math.max(0, facing));
      const deep = (wa * sulcus[a] + wb * sulcus[b] + wc * sulcus[c]) / 255;
      const grey = 255 * (GYRUS + (SULCUS - GYRUS) * deep);
      let red = grey, green = grey, blue = grey;
      if (values) {
        const numbers = values.numbers[half];
        let share = 0, sum = 0;
        if (numbers[a] === numbers[a]) { share += wa; sum += wa * numbers[a]; }
        if (numbers[b] === numbers[b]) { share += wb; sum += wb * numbers[b]; }
        if (numbers[c] === numbers[c]) { share += wc; sum += wc * numbers[c]; }
        if (share > 0.5) {
          const place = placeOf(sum / share, values.low, values.high);
          let strength = 1;
          if (chosen) {
            const member = chosen[half];
            const part = wa * member[a] + wb * member[b] + wc * member[c];
            inside[pixel] = part > 0.5 ? 1 : 0;
            if (!inside[pixel]) strength = FADED;
          }
          red += strength * (TABLE[place] - red);
          green += strength * (TABLE[place + 1] - green);
          blue += strength * (TABLE[place + 2] - blue);
        }
      }
      target[at] = light * red;
      target[at + 1] = light * green;
      target[at + 2] = light * blue;
      target[at + 3] = 255;
    }
    if (chosen) this.#outline(target);
  }

  #outline(target) {
    const {width, height, inside, owner} = this;
    const reach = Math.max(1, Math.round(width / 700));
    for (let row = reach; row < height - reach; row += 1) {
      for (let column = reach; column < width - reach; column += 1) {
        const pixel = row * width + column;
        if (!inside[pixel]) continue;
        const around = [pixel - reach, pixel + reach, pixel - reach * width, pixel + reach * width];
        if (around.every((other) => inside[other] || owner[other] === NONE)) continue;
        target.set(OUTLINE, 4 * pixel);
      }
    }
  }
}
