// The large picture: one pass, or two beside each other, under a wipe, or as their difference; and the hand on it.

import { choice, make, write } from "./dom.js";
import { colourOf, compose, css, palette } from "./draw.js";
import { BOTH, differenceOf, meanSize, SCALES, valueAt } from "./layers.js";
import { number, signed } from "./numbers.js";
import { arranged, clamp, fitted, pixelAt } from "./places.js";

/** @typedef {import("./layers.js").Layer} Layer */
/** @typedef {import("./slot.js").Slot} Slot */
/** @typedef {import("./explorer.js").App} App */

const GAP = 12;
const FINEST_CANVAS = 2000;
const HINT =
  "Picture. Arrow keys move the pixel, with Shift by ten; Enter pins or frees it; comma and full stop change the time " +
  "step; digits choose the map; space plays the steps.";

/** @param {App} app */
export function makeStage(app) {
  const heading = make("h2", {});
  const frames = [0, 1].map((index) => makeFrame(app, index));
  const handle = make("div", { class: "handle", role: "slider", tabindex: 0, "aria-label": "Wipe between the passes" });
  const room = make("div", { class: "room", tabindex: 0, role: "application", "aria-label": HINT });
  room.append(...frames.map((frame) => frame.element));
  const [one] = frames;
  one?.element.append(handle);
  const legend = makeLegend(app);
  const element = make("section", { class: "stage", "aria-label": "Stage" }, heading, room, legend.element);

  /** @type {{layers: (Layer | null)[], difference: Layer | null}} */
  let shown = { layers: [], difference: null };

  /** Draw pictures and scale anew; `place` alone is cheap enough for every move of the pointer. */
  function draw() {
    const { state } = app;
    const pair = isPair(app);
    const passes = app.slots.filter((slot) => slot !== null);
    const slots = pair ? [...passes, ...passes] : passes;
    const names = pair ? ["before BRN", "after BRN"] : slots.map((slot) => slot.name);
    const [first, second] = slots;
    if (!first) return;
    shown = layersOf(app);
    const arrangement = second ? state.arrangement : "one";
    element.dataset.arrangement = arrangement;
    const box = { width: Math.max(room.clientWidth, 40), height: Math.max(room.clientHeight, 40) };
    const both = arrangement === "beside" ? slots : [first];
    const layout = arranged(
      both.map((slot) => slot.pass.header.photo),
      box,
      GAP,
    );
    room.style.flexDirection = layout.direction;
    const size = fitted(first.pass.header.photo, layout.room);
    frames.forEach((frame, index) => {
      const slot = slots[index];
      frame.element.hidden = !slot || (index === 1 && (arrangement === "one" || arrangement === "difference"));
      if (!slot || frame.element.hidden) return;
      const own = arrangement === "wipe" ? size : fitted(slot.pass.header.photo, layout.room);
      const layer = arrangement === "difference" ? shown.difference : (shown.layers[index] ?? null);
      frame.draw(slot, layer, own, second && arrangement !== "difference" ? (names[index] ?? "") : "");
    });
    wipe(arrangement, size);
    const layer = arrangement === "difference" ? shown.difference : shown.layers.find((found) => found);
    const words = title(app, layer ?? null, arrangement);
    write(heading, words.charAt(0).toUpperCase() + words.slice(1));
    legend.draw(first, layer ?? null);
    place();
  }

  /**
   * @param {string} arrangement
   * @param {{width: number, height: number}} size
   */
  function wipe(arrangement, size) {
    const over = arrangement === "wipe";
    const [first, second] = frames;
    handle.hidden = !over;
    if (!first || !second) return;
    first.element.append(handle);
    // Open to the right: there stands the name of a narrow photo.
    second.element.style.clipPath = over ? `inset(0 -100vw 0 ${100 * app.state.wipe}%)` : "";
    second.element.style.marginLeft = over && room.style.flexDirection === "row" ? `${-size.width}px` : "";
    handle.style.left = `${100 * app.state.wipe}%`;
    handle.setAttribute("aria-valuenow", String(Math.round(100 * app.state.wipe)));
  }

  /** Move the rings and the mark on the scale to the pixel. */
  function place() {
    const { across, down } = app.place();
    frames.forEach((frame, index) => {
      frame.place(app.place(app.state.arrangement === "beside" ? index : 0));
    });
    const layer = shown.difference ?? shown.layers[0] ?? null;
    legend.place(layer ? valueAt(layer, across, down) : null);
  }

  /**
   * The pixel under the pointer.
   * @param {PointerEvent} event
   */
  function under(event) {
    const target = /** @type {Node} */ (event.target);
    const frame =
      frames.find(({ element: box }) => box.contains(target)) ?? /** @type {typeof frames[0]} */ (frames[0]);
    const box = frame.element.getBoundingClientRect();
    const { photo } = /** @type {Slot} */ (app.slots[0]).pass.header;
    /** @type {[number, number]} */
    const share = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    return { share, x: pixelAt(share[0], photo.width), y: pixelAt(share[1], photo.height) };
  }

  listen(app, { room, handle, frames: frames.map((frame) => frame.element) }, under);
  return { element, room, draw, place, layers: () => shown };
}

/**
 * Whether one pass is shown before BRN and after it.
 * @param {Pick<App, "state" | "slots">} app
 */
export const isPair = ({ state, slots }) => state.map === BOTH && !slots[1];

/**
 * The layers to be drawn, on scales that stay: weights share one for all steps and both passes.
 * @param {App} app
 */
function layersOf({ state, slots }) {
  if (isPair({ state, slots })) {
    const [before, after, change] = ["prior", "refined", "refinement"].map((map) => slots[0]?.layer(map, 0) ?? null);
    const shown = state.arrangement === "difference" && change;
    const difference = shown ? { ...shown, low: -state.scale, high: state.scale } : null;
    return { layers: [before ?? null, after ?? null], difference };
  }
  const limits = slots.map((slot) => slot?.pass.header.limits[state.map] ?? 0);
  const high = Math.max(...limits);
  const layers = slots.map((slot) => {
    const layer = slot?.layer(state.map, state.step) ?? null;
    if (layer?.colours === "weights") return { ...layer, high };
    if (layer?.colours === "signed") return { ...layer, low: -state.scale, high: state.scale };
    return layer;
  });
  const [first, second] = layers;
  const wanted = state.arrangement === "difference" && first && second;
  return { layers, difference: wanted ? differenceOf(first, second, state.scale) : null };
}

/**
 * @param {App} app
 * @param {Layer | null} layer
 * @param {string} arrangement
 */
function title({ state, slots }, layer, arrangement) {
  if (state.map === "photo") return "photo";
  if (isPair({ state, slots }) && arrangement !== "difference") return "saliency before and after BRN";
  if (!layer) return `there is no ${state.map} at t = ${state.step}`;
  if (layer.colours !== "signed" || state.present) return layer.label;
  const mean = number(meanSize(layer), 4);
  const largest = number(
    layer.values.reduce((most, value) => Math.max(most, Math.abs(value)), 0),
    4,
  );
  const numbers = `on average ±${mean}, at most ±${largest}`;
  if (arrangement !== "difference" || !slots[1]) return slots[1] ? layer.label : `${layer.label}: ${numbers}`;
  const names = slots.map((slot) => slot?.name);
  return `${layer.label.replace("second minus first", `${names[1]} minus ${names[0]}`)}: ${numbers}`;
}

/**
 * One picture with its ring, and the mask of the brush.
 * @param {App} app
 * @param {number} index
 */
function makeFrame(app, index) {
  const canvas = make("canvas", { "aria-hidden": "true" });
  const mask = make("canvas", { class: "mask", "aria-hidden": "true" });
  const ring = make("div", { class: "ring", "aria-hidden": "true" });
  const name = make("div", { class: "name" });
  const element = make("div", { class: "frame", "data-slot": index }, canvas, mask, ring, name);

  /**
   * @param {Slot} slot
   * @param {Layer | null} layer
   * @param {{width: number, height: number}} size
   * @param {string} title
   */
  function draw(slot, layer, size, title) {
    const factor = Math.min(window.devicePixelRatio || 1, FINEST_CANVAS / Math.max(size.width, size.height));
    const [width, height] = [Math.round(size.width * factor) || 1, Math.round(size.height * factor) || 1];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    element.style.width = `${size.width}px`;
    element.style.height = `${size.height}px`;
    compose(canvas, slot.photo(layer !== null), layer ? slot.colours(layer) : null, app.state.opacity);
    write(name, title);
    name.hidden = !title;
    app.brush.drawMask(mask, index);
  }

  /** @param {{across: number, down: number}} pixel */
  function place({ across, down }) {
    ring.style.left = `${100 * across}%`;
    ring.style.top = `${100 * down}%`;
    ring.classList.toggle("pinned", app.state.pinned);
  }

  return { element, draw, place };
}

/**
 * The colour bar, with a mark at the pixel's value; where differences are shown, with a choice of its ends.
 * @param {App} app
 */
function makeLegend(app) {
  const low = make("span", { class: "end" });
  const high = make("span", { class: "end" });
  const mark = make("i", {});
  const bar = make("div", { class: "bar" }, mark);
  const colours = make("div", { class: "colours", "aria-hidden": "true" }, low, bar, high);
  const scales = SCALES.map((value) => ({ value: String(value), text: `±${value}` }));
  const scale = choice("Scale of differences", scales, (value) => app.update({ scale: Number(value) }));
  const element = make("div", { class: "legend" }, colours, scale.element);
  let ends = [0, 1];

  /**
   * @param {Slot} slot
   * @param {Layer | null} layer
   */
  function draw(slot, layer) {
    element.classList.toggle("empty", !layer);
    scale.element.hidden = layer?.colours !== "signed";
    scale.set(String(app.state.scale));
    if (!layer) return;
    ends = [layer.low, layer.high];
    const table = palette(slot.pass.header.colours[layer.colours]);
    const stops = Array.from({ length: 17 }, (_, i) => css(colourOf(table, i / 16, 0, 1)));
    bar.style.background = `linear-gradient(to right, ${stops.join(",")})`;
    const show = layer.colours === "signed" ? signed : number;
    write(low, show(layer.low, layer.colours === "weights" ? 1 : 2).replace(/\.?0+$/, ""));
    write(high, show(layer.high, 2).replace(/\.?0+$/, ""));
  }

  /** @param {number | null} value */
  function place(value) {
    mark.hidden = value === null;
    const [start = 0, end = 1] = ends;
    if (value !== null) mark.style.left = `${100 * clamp((value - start) / (end - start), 0, 1)}%`;
  }

  return { element, draw, place };
}

/**
 * The pointer on the pictures: it shows a pixel, pins one, moves the wipe, or paints.
 * @param {App} app
 * @param {{room: HTMLElement, handle: HTMLElement, frames: HTMLElement[]}} parts
 * @param {(event: PointerEvent) => {share: [number, number], x: number, y: number}} under
 */
function listen(app, { room, handle, frames }, under) {
  /** @type {"wipe" | "paint" | null} */
  let holding = null;
  /** @type {HTMLElement | null} on which the stroke began */
  let canvas = null;
  room.addEventListener("pointerdown", (event) => {
    const target = /** @type {Node} */ (event.target);
    if (event.button !== 0 || !frames.some((frame) => frame.contains(target))) return;
    holding = handle.contains(target) ? "wipe" : app.brush.active() ? "paint" : null;
    if (!holding) return;
    event.preventDefault();
    room.setPointerCapture(event.pointerId);
    if (holding === "paint") {
      canvas = frames.find((frame) => frame.contains(target)) ?? null;
      app.brush.start(under(event).share);
    }
  });
  room.addEventListener("pointermove", (event) => {
    if (!holding && !frames.some((frame) => frame.contains(/** @type {Node} */ (event.target)))) return;
    if (holding === "wipe") {
      const box = /** @type {HTMLElement} */ (frames[0]).getBoundingClientRect();
      app.update({ wipe: (event.clientX - box.left) / box.width });
    } else if (holding === "paint") {
      const box = /** @type {HTMLElement} */ (canvas).getBoundingClientRect();
      app.brush.go([(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]);
    } else if (event.pointerType === "mouse" && !app.state.pinned) {
      const { x, y } = under(event);
      app.update({ x, y });
    }
  });
  /** @param {PointerEvent} event */
  const release = (event) => {
    if (holding === "paint") app.brush.end();
    if (holding) room.releasePointerCapture(event.pointerId);
    holding = null;
  };
  room.addEventListener("pointerup", release);
  room.addEventListener("pointercancel", release);
  for (const frame of frames) {
    frame.addEventListener("click", (event) => {
      if (app.brush.active() || handle.contains(/** @type {Node} */ (event.target))) return;
      const { x, y } = under(/** @type {PointerEvent} */ (event));
      const again = app.state.pinned && x === app.state.x && y === app.state.y;
      app.update({ x, y, pinned: !again }, "pin");
    });
  }
  handle.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02, ArrowDown: -0.02, ArrowUp: 0.02, Home: -1, End: 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    app.update({ wipe: app.state.wipe + step });
  });
}
