// One pixel: what surrounds it, its kernel, and the arithmetic that gives its refined value.

import { choice, make, write } from "./dom.js";
import { closeUp, colourOf, css, inkOn, palette } from "./draw.js";
import { pixelOfPass } from "./kernel.js";
import { number, sigmoid } from "./numbers.js";
import { cellOf, moved } from "./places.js";

/** @typedef {import("./kernel.js").Pixel} Pixel */
/** @typedef {import("./slot.js").Slot} Slot */
/** @typedef {import("./explorer.js").App} App */

const REACH = 7;
/** Cells this many times as wide as their digits are high hold three decimals. */
const ROOMY = 3.6;

/** The parts of the arithmetic: key, caption, spoken name, which colours. */
const GRIDS = /** @type {const} */ ([
  ["coefficients", "v", "coefficients v", "signed"],
  ["neighbours", "s", "neighbours’ saliency s", "saliency"],
  ["foreground", "v · s", "foreground products v · s", "signed"],
  ["background", "v · (1 − s)", "background products v · (1 − s)", "signed"],
]);

/** The sums, in the order in which one would work them out. */
const LINES = /** @type {const} */ ([
  ["foreground", "F", " = Σ v · s, for the object"],
  ["background", "B", " = Σ v · (1 − s), for the background"],
  ["evidence", "F − B", ""],
  ["refined", "refined", " = σ(F − B)"],
  ["before", "before", ""],
]);

/** @param {App} app */
export function makePanel(app) {
  const heading = make("h2", {});
  const where = make("p", { class: "prose" });
  const closeUps = ["photo", "before", "after"].map((name) => {
    const canvas = make("canvas", { width: 150, height: 150, role: "img", "aria-label": `Close-up: ${name}` });
    return { canvas, element: make("figure", {}, canvas, make("figcaption", {}, name)) };
  });
  const pad = makePad(app);
  const slotChoice = make("div", { class: "whose" });
  const rounds = make("div", { class: "rounds" });
  const grids = make("div", { class: "grids" });
  const tabs = choice(
    "Shown",
    GRIDS.map(([value, text]) => ({ value, text })),
    (value) => app.update({ window: value }),
  );
  tabs.element.classList.add("tabs");
  const lines = LINES.map(([key, name, prose]) => {
    const output = make("output", { "aria-live": "off", "data-line": key });
    const why = make("span", { class: "prose" }, prose);
    return { key, prose, output, why, element: make("p", {}, make("span", {}, name, why), output) };
  });
  const element = make(
    "section",
    { class: "panel", "aria-label": "One pixel" },
    make("header", {}, make("div", {}, heading, where), pad),
    make("div", { class: "close-ups" }, ...closeUps.map((one) => one.element)),
    slotChoice,
    rounds,
    tabs.element,
    grids,
    make("div", { class: "arithmetic" }, ...lines.map((line) => line.element)),
  );
  /** @type {ReturnType<typeof makeGrid>[]} */
  let tables = [];

  /** For another kernel size, other passes or another number of propagations. */
  function build() {
    const slot = app.slots[app.state.slot] ?? app.slots[0];
    if (!slot) return;
    const { kernel_size: n, propagations } = slot.pass.header;
    tables = GRIDS.map(([key, caption, name, colours]) => makeGrid(n, key, caption, name, colours));
    grids.replaceChildren(...tables.map((grid) => grid.element));
    const named = app.slots.flatMap((found, index) => (found ? [{ value: String(index), text: found.name }] : []));
    const choose = choice("Pass", named, (value) => app.update({ slot: Number(value) }));
    choose.set(String(app.state.slot));
    slotChoice.replaceChildren(...(named.length > 1 ? [choose.element] : []));
    const turns = Array.from({ length: propagations }, (_, i) => ({ value: String(i + 1), text: String(i + 1) }));
    const turn = choice("Propagation", turns, (value) => app.update({ round: Number(value) }));
    turn.set(String(app.state.round));
    rounds.replaceChildren(...(propagations > 1 ? [turn.element] : []));
    place();
  }

  /** Write the pixel's numbers. */
  function place() {
    const slot = app.slots[app.state.slot] ?? app.slots[0];
    if (!slot) return;
    const { state } = app;
    const { header } = slot.pass;
    const { column, row, x, y } = cellUnder(app, app.slots[state.slot] ? state.slot : 0);
    write(heading, `Pixel ${x}, ${y}`);
    const there = !!slot.pass.arrays["brn.coefficients"];
    element.dataset.kernels = there ? "there" : "coming";
    if (!there) {
      write(where, header.kernel_size ? "its kernel is on its way" : "BRN is at work");
      for (const { output } of lines) write(output, "…");
      return;
    }
    const exact = app.exact(state.slot, x, y);
    const pixel = pixelOfPass(slot.pass, column, row, state.round, exact);
    const one = state.present || pixel.n > 5;
    element.dataset.grids = one ? "one" : "four";
    tabs.set(state.window);
    const digits = Number.parseFloat(getComputedStyle(grids).fontSize);
    const cell = (grids.clientWidth / (one ? 1 : 2) / pixel.n - 3) / digits;
    const most = exact ? 3 : header.decimals.coefficients;
    const decimals = Math.min(most, !state.present && cell > ROOMY ? 3 : 2);
    const limit = pixel.coefficients.reduce((largest, v) => Math.max(largest, Math.abs(v)), 0) || 1;
    for (const grid of tables) grid.fill(slot, pixel, decimals, limit, one && grid.key !== state.window, !!exact);
    write(
      where,
      `row ${row}, column ${column} of BRN’s ${header.brn.width} × ${header.brn.height}${state.pinned ? " · pinned" : ""}`,
    );
    // Somebody may have put another map in the place of what the kernels give.
    const altered = Math.abs(sigmoid(pixel.evidence) - pixel.refined) > 1e-3;
    for (const { key, prose, output, why } of lines) {
      write(output, number(pixel[key], key === "refined" || key === "before" ? 4 : header.decimals.sums));
      if (key === "refined") write(why, altered ? ", altered: not σ(F − B)" : prose);
    }
    drawCloseUps(slot, column, row, pixel.n);
  }

  /**
   * @param {Slot} slot
   * @param {number} column
   * @param {number} row
   * @param {number} n
   */
  function drawCloseUps(slot, column, row, n) {
    if (element.offsetParent === null) return;
    const before = slot.layer("prior", 0);
    const after = slot.layer("refined", 0);
    const pictures = [slot.photo(false), before && slot.colours(before), after && slot.colours(after)];
    closeUps.forEach(({ canvas }, index) => {
      const picture = pictures[index];
      const place = { column, row, n, reach: REACH, smooth: false };
      if (picture) closeUp(canvas, picture, slot.pass.header.brn, place);
    });
  }

  return { element, build, place };
}

/**
 * The pixel of a slot's photo at the explorer's place.
 * @param {App} app
 * @param {number} slot
 */
export function pixelUnder(app, slot) {
  const { x, y } = app.state;
  const from = app.slots[0]?.pass.header.photo;
  const to = app.slots[slot]?.pass.header.photo;
  if (slot === 0 || !from || !to) return { x, y };
  return { x: cellOf(x, from.width, to.width), y: cellOf(y, from.height, to.height) };
}

/**
 * The same, with the cell of BRN's map that covers it.
 * @param {App} app
 * @param {number} slot
 */
export function cellUnder(app, slot) {
  const { x, y } = pixelUnder(app, slot);
  const { photo, brn } = /** @type {Slot} */ (app.slots[slot]).pass.header;
  return { x, y, column: cellOf(x, photo.width, brn.width), row: cellOf(y, photo.height, brn.height) };
}

/**
 * A table of one window.
 * @param {number} n
 * @param {string} key
 * @param {string} caption
 * @param {string} name
 * @param {"signed" | "saliency"} colours
 */
function makeGrid(n, key, caption, name, colours) {
  const middle = (n * n) >> 1;
  const cells = Array.from({ length: n * n }, (_, d) => make("td", d === middle ? { class: "centre" } : {}));
  const rows = Array.from({ length: n }, (_, row) => make("tr", {}, ...cells.slice(row * n, (row + 1) * n)));
  const label = `${name}, ${n} × ${n} around the pixel`;
  const element = make(
    "table",
    { "data-grid": key, "aria-label": label },
    make("caption", {}, caption),
    make("tbody", {}, ...rows),
  );
  element.style.setProperty("--n", String(n));
  /** @type {Uint8Array | null} */
  let table = null;
  let from = "";

  /**
   * @param {Slot} slot
   * @param {Pixel} pixel
   * @param {number} decimals
   * @param {number} limit
   * @param {boolean} hidden
   * @param {boolean} exact all digits are known: they stand in each cell's title
   */
  function fill(slot, pixel, decimals, limit, hidden, exact) {
    element.hidden = hidden;
    if (hidden) return;
    const digits = slot.pass.header.colours[colours];
    if (!table || from !== digits) {
      table = palette(digits);
      from = digits;
    }
    const values = {
      coefficients: pixel.coefficients,
      neighbours: pixel.neighbours,
      foreground: pixel.foregroundProducts,
      background: pixel.backgroundProducts,
    }[key];
    for (const [d, cell] of cells.entries()) {
      const value = values?.[d] ?? 0;
      write(cell, number(value, decimals));
      cell.title = exact ? String(value) : "";
      const colour = colours === "signed" ? colourOf(table, value, -limit, limit) : colourOf(table, value, 0, 1);
      const background = css(colour);
      if (cell.dataset.colour === background) continue;
      cell.dataset.colour = background;
      cell.style.background = background;
      cell.style.color = inkOn(colour);
    }
  }

  return { key, element, fill };
}

/**
 * Four buttons that move the pixel by one cell, for fingers.
 * @param {App} app
 */
function makePad(app) {
  /** @type {[string, string, number, number][]} */
  const moves = [
    ["←", "Pixel to the left", -1, 0],
    ["↑", "Pixel up", 0, -1],
    ["↓", "Pixel down", 0, 1],
    ["→", "Pixel to the right", 1, 0],
  ];
  const buttons = moves.map(([text, label, right, down]) =>
    make("button", { type: "button", "aria-label": label, click: () => walk(app, right, down) }, text),
  );
  return make("div", { class: "pad", role: "group", "aria-label": "Move the pixel" }, ...buttons);
}

/**
 * Move the pixel by cells of BRN's map, and pin it.
 * @param {App} app
 * @param {number} right
 * @param {number} down
 */
export function walk(app, right, down) {
  const slot = app.slots[0];
  if (!slot) return;
  const { photo, brn } = slot.pass.header;
  const x = moved(app.state.x, right, photo.width, brn.width);
  const y = moved(app.state.y, down, photo.height, brn.height);
  app.update({ x, y, pinned: true }, "pin");
}
