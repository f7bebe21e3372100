// Joins what the server sends to the figures, and the figures to the link. Everything comes from this server.

import {signed} from "./colours.js";
import {Cortex, loadMesh} from "./cortex.js";
import {Scalp} from "./scalp.js";

const MOST_BYTES = 20e6;
const find = (selector) => document.querySelector(selector);
const page = {state: null, restored: false, cortex: null, scalp: null};
window.braincodec = Object.assign(window.braincodec || {}, {page});

function once(selector) {
  return new Promise((resolve) => {
    const found = find(selector);
    if (found) { resolve(found); return; }
    const watch = new MutationObserver(() => {
      const element = find(selector);
      if (element) { watch.disconnect(); resolve(element); }
    });
    watch.observe(document.documentElement, {childList: true, subtree: true});
  });
}

// tells the server what was chosen in a figure; Gradio's component gives the way
function tell(event, detail) {
  window.braincodec.tell?.(event, detail);
}

// ---- what the server sends -------------------------------------------------------------------------------------

function receive() {
  const holder = find("#bc-payload");
  if (!holder || holder.dataset.seen) return;
  holder.dataset.seen = "yes";
  const sent = JSON.parse(holder.dataset.payload);
  if (!sent.state) return;
  page.state = sent.state;
  document.body.dataset.shows = sent.shows;
  document.body.dataset.simulated = sent.simulated ? "yes" : "no";
  document.body.dataset.decodes = sent.decodes ? "yes" : "no";
  mark(sent.state);
  show(sent);
}

async function show(sent) {
  if (sent.cortex) {
    const cortex = await page.cortexReady;
    if (!page.restored) restore(sent.state, cortex);
    cortex.show(sent.cortex);
    scale(find("#cortex .scale"), sent.cortex.low, sent.cortex.high);
  }
  if (sent.scalp) {
    const scalp = await page.scalpReady;
    scalp.show(sent.scalp);
    if (!page.restored && sent.state.time !== null) scalp.seek(sent.state.time);
    scale(find("#scalp .scale"), sent.scalp.low, sent.scalp.high, sent.scalp.unit);
  }
  page.restored = true;
  remember();
}

function scale(element, low, high, unit = "") {
  const [left, middle, right] = element.querySelectorAll("span");
  left.textContent = signed(low);
  middle.textContent = "0";
  right.textContent = signed(high) + (unit ? ` ${unit}` : "");
}

function mark(state) {
  for (const button of document.querySelectorAll("[data-example]")) {
    button.setAttribute("aria-pressed", String(button.dataset.example === state.example));
  }
}

// ---- the link --------------------------------------------------------------------------------------------------

function restore(state, cortex) {
  cortex.camera.view = state.view;
  cortex.choose(state.hemisphere);
  press("hemisphere", state.hemisphere);
  press("view", state.view);
}

function remember() {
  const query = new URLSearchParams(page.state.query);
  if (page.cortex && page.cortex.values) {
    if (page.cortex.hemisphere !== "both") query.set("hemisphere", page.cortex.hemisphere);
    if (page.cortex.camera.view !== "occipital") query.set("view", page.cortex.camera.view);
  }
  if (page.scalp && page.scalp.data && document.body.dataset.shows === "scalp") {
    query.set("time", page.scalp.seconds.toFixed(3));
  }
  history.replaceState(null, "", `${location.pathname}?${query}`);
}

async function copyLink(button) {
  remember();
  let done = true;
  try {
    await navigator.clipboard.writeText(location.href);
  } catch {
    done = false; // not allowed here: the address line holds the same link
  }
  const words = done ? "Link copied" : "The address line holds the link";
  say(page.state?.uploaded ? `${words}; your own photograph is not part of it` : words);
  button.textContent = done ? "Copied" : "See address";
  setTimeout(() => { button.textContent = "Copy link"; }, 2500);
}

function say(words) {
  const place = find("#bc-said");
  if (place) place.textContent = words;
}

// ---- the cortex ------------------------------------------------------------------------------------------------

function press(kind, value) {
  if (kind === "hemisphere") find("#cortex .sides").dataset.shown = value;
  for (const button of document.querySelectorAll(`#cortex [data-${kind}]`)) {
    button.setAttribute("aria-pressed", String(button.dataset[kind] === value));
  }
}

async function setUpCortex() {
  const mesh = loadMesh(new URL(find("link[data-mesh]").href));
  const figure = await once("#cortex");
  const canvas = figure.querySelector("canvas");
  const cortex = new Cortex(canvas, await mesh);
  page.cortex = cortex;
  listenToPointer(cortex, canvas, figure.querySelector(".hint"));
  canvas.addEventListener("keydown", (event) => {
    const turns = {ArrowLeft: [10, 0], ArrowRight: [-10, 0], ArrowUp: [0, -10], ArrowDown: [0, 10]};
    if (turns[event.key]) cortex.camera.turn(...turns[event.key], false);
    else if (event.key === "+" || event.key === "=") cortex.camera.enlarge(1.2);
    else if (event.key === "-") cortex.camera.enlarge(1 / 1.2);
    else if (event.key === "Home") cortex.camera.show(cortex.camera.view);
    else return;
    event.preventDefault();
  });
  figure.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.hemisphere) cortex.choose(button.dataset.hemisphere);
    if (button.dataset.view) cortex.camera.show(button.dataset.view);
    press("hemisphere", cortex.hemisphere);
    press("view", cortex.camera.view);
    remember();
  });
  return cortex;
}

function listenToPointer(cortex, canvas, hint) {
  let last = null, moved = 0;
  const usual = hint.textContent;
  canvas.addEventListener("pointerdown", (event) => {
    last = [event.clientX, event.clientY];
    moved = 0;
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (last) {
      const [dx, dy] = [event.clientX - last[0], event.clientY - last[1]];
      moved += Math.abs(dx) + Math.abs(dy);
      last = [event.clientX, event.clientY];
      cortex.camera.turn(-dx * 0.5, dy * 0.5, true);
      return;
    }
    const found = cortex.at(event.clientX, event.clientY);
    const value = found && Number.isFinite(found.value) ? `predicted response ${signed(found.value)}` : "not part of the model";
    hint.textContent = found ? `${found.region ?? "no region"}, ${found.hemisphere} hemisphere: ${value}` : usual;
  });
  const end = (event) => {
    if (last && moved < 5 && event.type === "pointerup") {
      const found = cortex.at(event.clientX, event.clientY);
      if (found && found.region) tell("select", {roi: found.region});
    }
    last = null;
  };
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, end);
  canvas.addEventListener("pointerleave", () => { hint.textContent = usual; });
}

// ---- files, buttons, light and dark ------------------------------------------------------------------------------

function setUpFiles() {
  const hand = (files) => {
    const input = find(document.body.dataset.decodes === "yes" && /\.(npy|csv)$/i.test(files[0].name) ? "#pattern-upload input[type=file]" : "#photo-upload input[type=file]");
    if (!input) return;
    const carrier = new DataTransfer();
    carrier.items.add(files[0]);
    input.files = carrier.files;
    input.dispatchEvent(new Event("change", {bubbles: true}));
  };
  // the server refuses them too; said here, nothing has to be sent first
  document.addEventListener("change", (event) => {
    const file = event.target.type === "file" && event.target.files[0];
    if (!file || file.size <= MOST_BYTES) return;
    event.stopImmediatePropagation();
    event.target.value = "";
    tell("input", {megabytes: file.size / 1e6});
  }, true);
  document.addEventListener("dragover", (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dropping"); });
  document.addEventListener("drop", (event) => {
    document.body.classList.remove("dropping");
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    hand(event.dataTransfer.files);
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) hand(event.clipboardData.files);
  });
}

function setUpButtons() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.example !== undefined) tell("click", {example: button.dataset.example});
    if (button.dataset.pattern !== undefined) tell("submit", {pattern: button.dataset.pattern});
    if (button.dataset.roi !== undefined) tell("select", {roi: button.dataset.roi});
    if (button.id === "bc-copy") copyLink(button);
    if (button.id === "bc-light") paint(document.body.classList.contains("dark") ? "light" : "dark", true);
  });
}

function paint(scheme, chosen) {
  document.body.classList.toggle("dark", scheme === "dark");
  const button = find("#bc-light");
  if (button) button.textContent = scheme === "dark" ? "Light" : "Dark";
  try { if (chosen) localStorage.setItem("braincodec-scheme", scheme); } catch { /* private windows may refuse */ }
}

function scheme() {
  let kept = null;
  try { kept = localStorage.getItem("braincodec-scheme"); } catch { /* as above */ }
  return kept || (window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

// Gradio leaves the labels of its file inputs to the button beside them
async function nameInputs() {
  for (const [selector, words, kinds] of [
    ["#photo-upload", "Photograph to predict responses to", "image/png,image/jpeg,image/webp,image/bmp,image/gif,image/tiff"],
    ["#pattern-upload", "Pattern of responses to decode", ".npy,.csv"],
  ]) {
    once(`${selector} input[type=file]`).then((input) => {
      input.setAttribute("aria-label", words);
      input.accept = kinds;
    });
  }
}

page.cortexReady = setUpCortex().catch((error) => { say(error.message); throw error; });
page.scalpReady = once("#scalp").then((figure) => { page.scalp = new Scalp(figure, remember); return page.scalp; });
setUpButtons();
setUpFiles();
nameInputs();
new MutationObserver(receive).observe(document.documentElement, {childList: true, subtree: true});
once("#bc-light").then(() => paint(scheme(), false));
once("#bc-payload").then(receive);
