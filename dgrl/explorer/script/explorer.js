// The explorer: one pass, or two, under the hand. `mount` is the door for the app, notebooks and pages alike.

import { makeBrush } from "./brush.js";
import { makeBar, makeControls } from "./controls.js";
import { make, write } from "./dom.js";
import { BOTH, MAPS, valueAt } from "./layers.js";
import { number, signed } from "./numbers.js";
import { cellUnder, makePanel, pixelUnder, walk } from "./panel.js";
import { makeSlot } from "./slot.js";
import { isPair, makeStage } from "./stage.js";
import { changed, firstState } from "./state.js";
import { makeStrip } from "./strip.js";

/** @typedef {import("./unpack.js").Pass} Pass */
/** @typedef {import("./slot.js").Slot} Slot */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./painting.js").Mask} Mask */
/** @typedef {{header: import("./unpack.js").Header, arrays: Record<string, Float32Array>}} Parts */

/**
 * @typedef {Object} Options
 * @property {Pass} [second] another pass beside the first
 * @property {[string, string]} [names] of the two
 * @property {Partial<State>} [state] where to begin
 * @property {boolean} [paint] offer the brush
 * @property {boolean} [bar] show title and buttons above the stage; true unless said otherwise
 * @property {HTMLElement} [aside] stands where the panel of the pixel does, while its `hidden` is false
 * @property {(place: {slot: number, x: number, y: number}) => Promise<ArrayLike<number> | null>} [exact] gives a
 *   pinned pixel's n² coefficients with all their digits, where the bundle has fewer
 */

/**
 * What the parts of the explorer share.
 * @typedef {Object} App
 * @property {State} state
 * @property {(Slot | null)[]} slots
 * @property {ReturnType<typeof makeBrush>} brush
 * @property {boolean} paints
 * @property {(slot?: number) => {across: number, down: number}} place the middle of the pixel, in shares of the photo;
 *   the second photo's pixel is the one that covers the middle of the first one's
 * @property {(slot: number, x: number, y: number) => ArrayLike<number> | undefined} exact
 * @property {(changes: Partial<State>, event?: string) => void} update
 * @property {() => void} redraw
 * @property {(event: string, detail: unknown) => void} tell
 * @property {() => boolean} dark
 */

/**
 * The explorer as its host sees it. Events, each with a `detail`: "pin" {x, y, column, row, pinned}, "step" {step}, "view"
 * (the state, after any change), "paint" (see `Painting` in brush.js).
 */
export class Explorer extends EventTarget {
  /**
   * @param {{element: HTMLElement, app: App, put: (index: number, pass: Pass | null, name?: string) => void,
   *   add: (index: number, parts: Parts) => void, destroy: () => void}} parts
   */
  constructor(parts) {
    super();
    this.parts = parts;
  }

  /** The element that holds everything. */
  get element() {
    return this.parts.element;
  }

  /** What is shown: an object that fits a link. */
  get state() {
    return { ...this.parts.app.state };
  }

  /**
   * Show something else; what cannot be is left as it was.
   * @param {Partial<State>} changes
   */
  set(changes) {
    this.parts.app.update(changes);
  }

  /**
   * Put a pass on the stage: 0 is the first, 1 the second, which may be null.
   * @param {number} index
   * @param {Pass | null} pass
   * @param {string} [name]
   */
  put(index, pass, name) {
    this.parts.put(index, pass, name);
  }

  /**
   * Give a pass on the stage what it still lacks: its kernels, as a rule.
   * @param {number} index
   * @param {Parts} parts
   */
  add(index, parts) {
    this.parts.add(index, parts);
  }

  /** What the brush does: `on`, `rub`, `radius` and `strength`; whoever sets them calls `redraw`. */
  get brush() {
    return this.parts.app.brush.settings;
  }

  /** Draw everything again. */
  redraw() {
    this.parts.app.redraw();
  }

  /**
   * Show a painting, or none, on a weight map of the first pass.
   * @param {number} step
   * @param {string} level
   * @param {Mask | null} mask
   */
  paint(step, level, mask) {
    this.parts.app.brush.set(step, level, mask);
  }

  /**
   * Show these paintings where the brush paints, and no others; the maps stay as they are.
   * @param {{step: number, level: string, mask: Mask}[]} paintings
   */
  hold(paintings) {
    this.parts.app.brush.hold(paintings);
  }

  /** Take everything away. */
  destroy() {
    this.parts.destroy();
  }
}

/**
 * Show a pass in an element of the page.
 * @param {HTMLElement} host
 * @param {Pass} pass
 * @param {Options} [options]
 * @returns {Explorer}
 */
export function mount(host, pass, options = {}) {
  const names = options.names ?? ["first", "second"];
  const element = make("div", { class: "dgrl-explorer" });
  /** @type {Map<string, ArrayLike<number>>} */
  const exactPixels = new Map();
  const stopping = new AbortController();
  let frame = 0;
  let whole = false;

  /** @type {App} */
  const app = {
    state: firstState(pass),
    slots: [makeSlot(pass, names[0]), options.second ? makeSlot(options.second, names[1]) : null],
    brush: /** @type {App["brush"]} */ (/** @type {unknown} */ (null)),
    paints: options.paint ?? false,
    place,
    exact: (slot, x, y) => exactPixels.get(`${slot} ${x} ${y}`),
    update,
    redraw: () => schedule(true),
    tell: (event, detail) => explorer.dispatchEvent(new CustomEvent(event, { detail })),
    dark: () => isDark(element, app.state.theme),
  };
  app.brush = makeBrush(app);
  app.state = changed(app.state, { ...options.state }, passes());
  const bar = makeBar(app);
  const stage = makeStage(app);
  const strip = makeStrip(app);
  const panel = makePanel(app);
  const controls = makeControls(app);
  const status = make("p", { class: "status" });
  const live = make("p", { class: "unseen", role: "status" });
  stage.element.append(status, controls.element);
  const set = make("div", { class: "stage-set" });
  // The order of the network, which is that of Tab and of a reader's voice too, whatever the layout.
  set.append(...(options.bar === false ? [] : [bar.element]), strip.element, stage.element, panel.element);
  if (options.aside) set.append(options.aside);
  set.append(live);
  element.append(set);
  const explorer = new Explorer({ element, app, put, add, destroy });

  function passes() {
    return app.slots.map((slot) => slot?.pass ?? null);
  }

  /** @type {App["place"]} */
  function place(slot = 0) {
    const own = app.slots[slot] ? slot : 0; // two maps of one pass lie at the same place
    const photo = app.slots[own]?.pass.header.photo ?? { width: 1, height: 1 };
    const { x, y } = pixelUnder(app, own);
    return { across: (x + 0.5) / photo.width, down: (y + 0.5) / photo.height };
  }

  /** @type {App["update"]} */
  function update(changes, event = "") {
    const before = app.state;
    app.state = changed(before, changes, passes());
    const different = Object.entries(app.state).filter(
      ([key, value]) => before[/** @type {keyof State} */ (key)] !== value,
    );
    if (!different.length) return;
    const moves = different.every(([key]) => ["x", "y", "pinned"].includes(key));
    if (before.slot !== app.state.slot) build();
    schedule(!moves);
    if (event === "pin") pinned();
    if (event === "step") app.tell("step", { step: app.state.step });
    app.tell("view", { ...app.state });
    if (event || !moves) announce();
  }

  function pinned() {
    const { state, slots } = app;
    app.tell("pin", { ...cellUnder(app, 0), pinned: state.pinned });
    if (!options.exact || !state.pinned) return;
    slots.forEach(async (slot, index) => {
      if (!slot) return;
      const { x, y } = pixelUnder(app, index);
      const exact = await options.exact?.({ slot: index, x, y });
      if (exact) exactPixels.set(`${index} ${x} ${y}`, exact);
      schedule(false);
    });
  }

  /**
   * Draw with the next frame, whatever happens until then.
   * @param {boolean} all the pictures too, not only what depends on the pixel
   */
  function schedule(all) {
    whole ||= all;
    frame ||= requestAnimationFrame(() => {
      const pictures = whole;
      frame = 0;
      whole = false;
      if (pictures) drawAll();
      else stage.place();
      strip.place();
      panel.place();
      write(status, reading(app, stage.layers(), !app.state.present));
    });
  }

  let scale = app.state.scale;
  function drawAll() {
    element.classList.toggle("present", app.state.present);
    element.dataset.theme = app.dark() ? "dark" : "light";
    element.dataset.brush = app.brush.active() ? "on" : "off";
    bar.draw();
    controls.draw();
    stage.draw();
    if (scale !== app.state.scale || app.brush.settings.on) strip.draw();
    else strip.choose();
    scale = app.state.scale;
  }

  let saying = 0;
  /** Say in words what has changed, once it has come to rest. */
  function announce() {
    window.clearTimeout(saying);
    saying = window.setTimeout(() => write(live, reading(app, stage.layers(), true)), 300);
  }

  function build() {
    strip.build();
    panel.build();
    controls.build();
  }

  /** @type {Explorer["put"]} */
  function put(index, other, name = names[index] ?? "") {
    app.slots[index] = other ? makeSlot(other, name) : null;
    exactPixels.clear();
    if (index === 0) app.brush.clear();
    app.state = changed(app.state, {}, passes());
    build();
    schedule(true);
  }

  /** @type {Explorer["add"]} */
  function add(index, { header, arrays }) {
    const slot = app.slots[index];
    if (!slot) return;
    const table = { ...slot.pass.header.arrays, ...header.arrays };
    Object.assign(slot.pass.arrays, arrays);
    Object.assign(slot.pass.header, header, { arrays: table });
    slot.forget();
    panel.build();
    strip.draw();
    schedule(true);
  }

  function destroy() {
    stopping.abort();
    resizing.disconnect();
    controls.stop();
    cancelAnimationFrame(frame);
    window.clearTimeout(saying);
    element.remove();
  }

  const resizing = new ResizeObserver(() => schedule(true));
  host.append(element);
  resizing.observe(stage.room);
  resizing.observe(element);
  const { signal } = stopping;
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => schedule(true), { signal });
  stage.room.addEventListener("keydown", (event) => keyed(app, controls, event), { signal });
  build();
  schedule(true);
  return explorer;
}

/**
 * The keys of the stage; they work while it has the focus.
 * @param {App} app
 * @param {{toggle: () => void}} controls
 * @param {KeyboardEvent} event
 */
function keyed(app, controls, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { state } = app;
  const far = event.shiftKey ? 10 : 1;
  /** @type {Record<string, () => void>} */
  const actions = {
    ArrowLeft: () => walk(app, -far, 0),
    ArrowRight: () => walk(app, far, 0),
    ArrowUp: () => walk(app, 0, -far),
    ArrowDown: () => walk(app, 0, far),
    Enter: () => app.update({ pinned: !state.pinned }, "pin"),
    Escape: () => app.update({ pinned: false }, "pin"),
    ",": () => app.update({ step: state.step - 1 }, "step"),
    ".": () => app.update({ step: state.step + 1 }, "step"),
    " ": () => controls.toggle(),
    "+": () => app.update({ opacity: state.opacity + 0.1 }),
    "-": () => app.update({ opacity: state.opacity - 0.1 }),
    w: () => app.update({ arrangement: "wipe" }),
    d: () => app.update({ arrangement: "difference" }),
    b: () => app.update({ arrangement: "beside" }),
    p: () => app.update({ present: !state.present }),
  };
  MAPS.forEach((map, index) => {
    actions[String(index + 1)] = () => app.update({ map });
  });
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

/**
 * The pixel's value on the stage in words.
 * @param {App} app
 * @param {ReturnType<ReturnType<typeof makeStage>["layers"]>} shown
 * @param {boolean} where which pixel, too
 */
function reading(app, shown, where) {
  const { x, y, map, step, pinned } = app.state;
  const start = `Pixel ${x}, ${y}${pinned ? ", pinned" : ""}`;
  const values = shown.layers.map((layer, index) => {
    const { across, down } = app.place(index);
    return layer && valueAt(layer, across, down);
  });
  const [first, second] = values;
  if (first === null || first === undefined) return start;

  const name =
    { prior: "before BRN", refined: "after BRN", refinement: "change by BRN", [BOTH]: "after BRN" }[map] ??
    `${map} at t = ${step}`;
  const show = shown.layers[0]?.colours === "signed" ? signed : number;
  const head = where ? `${start} · ` : "";
  if (isPair(app)) {
    return `${head}before BRN ${show(first, 4)} · after ${show(second ?? 0, 4)} · change ${signed((second ?? 0) - first, 4)}`;
  }
  if (second === null || second === undefined) return `${head}${name}: ${show(first, 4)}`;
  const [one, other] = app.slots.map((slot) => slot?.name);
  return `${head}${name}: ${one} ${show(first, 4)} · ${other} ${show(second, 4)} · difference ${signed(second - first, 4)}`;
}

/**
 * Whether the page around it is dark: as told, as the front end says, or as the system is.
 * @param {HTMLElement} element
 * @param {string} theme
 */
function isDark(element, theme) {
  if (theme !== "auto") return theme === "dark";
  if (element.closest("[data-jp-theme-light=false], .vscode-dark, .dark, [data-theme=dark]:not(.dgrl-explorer)"))
    return true;
  if (element.closest("[data-jp-theme-light=true], .vscode-light")) return false;
  return window.matchMedia("(prefers-color-scheme: dark)").matches;
}
