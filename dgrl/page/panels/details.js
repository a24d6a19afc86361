// Details: the picture on the stage in words, the pixel under the marker in numbers, and, on request, its kernel.

import { button, choice, fill, make, write } from "../dom.js";
import { colourOf, css, inkOn, palette } from "../numbers/colours.js";
import { number, percent, sigmoid } from "../numbers/format.js";
import { valueAt } from "../numbers/layers.js";
import { moveMarker } from "../stage/keys.js";
import { drawCloseUp, mapCanvas, photoCanvas } from "../stage/pictures.js";
import { cachedLayer, foundOf, kernelUnder } from "../stage/shown.js";
import { markerOf } from "../state/marker.js";
import { framesOf, passIn, shownSide, shownSlots } from "../state/scene.js";
import vocabulary from "../vocabulary.js";
import { describeMap } from "./words.js";

/**
 * @typedef {import("../state/store.js").Store} Store
 * @typedef {import("../state/scene.js").State} State
 * @typedef {import("../numbers/kernel.js").Pixel} Pixel
 */

const REACH = 7;
const LIMIT_DECIMALS = 4;
const LINES = /** @type {const} */ ([
  ["foreground", "F", "evidence for the object, Σ v · s"],
  ["background", "B", "evidence for the background, Σ v · (1 − s)"],
  ["evidence", "F − B", ""],
  ["refined", "σ(F − B)", "the sharpened value"],
  ["before", "before", "the value that BRN received"],
]);
const GRIDS = /** @type {const} */ ([
  ["coefficients", "kernel weights v", "signed"],
  ["neighbours", "neighbours’ saliency s", "saliency"],
  ["foregroundProducts", "v · s", "signed"],
  ["backgroundProducts", "v · (1 − s)", "signed"],
]);
const tables = { signed: palette(vocabulary.colours.signed), saliency: palette(vocabulary.colours.saliency) };

/**
 * @param {HTMLElement} element
 * @param {Store} store
 */
export function mountDetails(element, store) {
  const foundText = make("p", { class: "found", role: "status" });
  const sentence = make("p", { class: "about" });
  const pixel = makePixel(store);
  const kernel = makeKernel(store);
  element.append(foundText, sentence, pixel.element, kernel.element);

  /** @param {State} state */
  function draw(state) {
    const { scene } = state;
    const [frame] = framesOf(state);
    const pass = passIn(state, shownSide(scene))?.pass;
    if (frame && pass) {
      const { header } = pass;
      write(
        sentence,
        describeMap(scene.frames ? frame.map : scene.map, frame.step, {
          looks: header.steps,
          n: header.kernel_size,
          prior: header.prior,
        }),
      );
    }
    const original = passIn(state, 0)?.pass;
    write(foundText, original ? foundSentence(original) : "");
    place(state);
  }

  /** @param {State} state */
  function place(state) {
    pixel.draw(state);
    kernel.draw(state);
  }

  const stop = store.subscribe((state, before) => {
    if (state.scene !== before.scene || state.passes !== before.passes || state.answers !== before.answers) draw(state);
  });
  draw(store.state);
  return stop;
}

/** @param {import("../numbers/pass.js").Pass} pass */
export function foundSentence(pass) {
  const object = foundOf(pass);
  if (!object) return "";
  return object.share
    ? `The object covers ${percent(object.share)} of the photo.`
    : "No object stands out in this photo.";
}

/** @param {Store} store */
function makePixel(store) {
  const heading = make("h3", {});
  const pin = button("Pin", () => {
    const marker = markerOf(store.state, 0);
    if (marker) store.dispatch({ type: "pin", x: marker.x, y: marker.y, pinned: !store.state.scene.pinned });
  });
  const moves = /** @type {[string, string, number, number][]} */ ([
    ["←", "Pixel to the left", -1, 0],
    ["↑", "Pixel up", 0, -1],
    ["↓", "Pixel down", 0, 1],
    ["→", "Pixel to the right", 1, 0],
  ]);
  const pad = make("div", { class: "pad", role: "group", "aria-label": "Move the pixel" });
  pad.append(
    ...moves.map(([text, label, right, down]) =>
      button(text, () => moveMarker(store, right, down), { "aria-label": label }),
    ),
  );
  const values = make("table", { class: "values" });
  const element = make(
    "section",
    { class: "pixel", "aria-label": "This pixel" },
    make("header", {}, heading, pad, pin),
    values,
  );

  /** @param {State} state */
  function draw(state) {
    const { scene } = state;
    const marker = markerOf(state, shownSide(scene));
    const pass = passIn(state, shownSide(scene))?.pass;
    element.hidden = !marker || !pass || (scene.x < 0 && !scene.kernel); // before a person has pointed
    if (!marker || !pass) return;
    write(heading, `Pixel ${marker.x}, ${marker.y}`);
    write(pin, scene.pinned ? "Unpin" : "Pin");
    const columns = [0, 1].filter(
      (slot) => shownSlots(scene)[slot] && passIn(state, /** @type {0 | 1} */ (slot))?.pass,
    );
    const rows = rowsOf(pass.header.steps);
    fill(values, [rows, columns], () =>
      rows.map(({ label, map, step }) =>
        make(
          "tr",
          { "data-map": map, "data-step": step },
          make("th", { scope: "row" }, label),
          ...columns.map(() => make("td", {})),
        ),
      ),
    );
    [...values.rows].forEach((line, index) => {
      const row = rows[index];
      columns.forEach((slot, column) => {
        const otherPass = passIn(state, /** @type {0 | 1} */ (slot))?.pass;
        const place = markerOf(state, /** @type {0 | 1} */ (slot));
        const layer = row && otherPass ? cachedLayer(otherPass, row.map, row.step) : null;
        const cell = line.cells[column + 1];
        if (cell) write(cell, layer && place ? number(valueAt(layer, place.across, place.down), 3) : "…");
      });
    });
  }
  return { element, draw };
}

/** @param {number} looks */
const rowsOf = (looks) => [
  ...Array.from({ length: looks }, (_, step) => ({ label: `look ${step + 1}`, map: "prediction", step })),
  { label: "received by BRN", map: "prior", step: 0 },
  { label: "sharpened", map: "refined", step: 0 },
];

/** @param {Store} store */
function makeKernel(store) {
  const position = make("p", { class: "quiet" });
  const closeUps = ["photo", "received", "sharpened"].map((name) => {
    const canvas = make("canvas", { width: 150, height: 150, role: "img", "aria-label": `Close-up: ${name}` });
    return { canvas, element: make("figure", {}, canvas, make("figcaption", {}, name)) };
  });
  const tabs = choice(
    "Shown",
    GRIDS.map(([value, text]) => ({ value, text: text.replace(/^[a-z’ ]+ (?=[vs]$)/, "") })),
    (value) => store.dispatch({ type: "set", changes: { window: value } }),
  );
  const caption = make("caption", {});
  const body = make("tbody", {});
  const grid = make("table", { class: "kernel-grid", "data-testid": "kernel" }, caption, body);
  const lines = LINES.map(([key, name, explanation]) => {
    const output = make("output", { "aria-live": "off", "data-line": key });
    return { key, output, element: make("p", {}, make("span", {}, name, make("small", {}, explanation)), output) };
  });
  const arrows = make("input", {
    type: "checkbox",
    change: () => store.dispatch({ type: "set", changes: { arrows: arrows.checked } }),
  });
  const content = make(
    "div",
    { class: "kernel" },
    position,
    make("div", { class: "close-ups" }, ...closeUps.map((closeUp) => closeUp.element)),
    tabs.element,
    grid,
    make("div", { class: "arithmetic" }, ...lines.map((line) => line.element)),
    make("label", { class: "check" }, arrows, "Arrows along the outline: where kernels take their values from"),
  );
  const summary = make("summary", { "data-testid": "kernel-open" }, "Its kernel (BRN)");
  const element = make("details", { class: "kernel-details" }, summary, content);
  element.addEventListener("toggle", () => {
    if (element.open !== store.state.scene.kernel) store.dispatch({ type: "set", changes: { kernel: element.open } });
  });

  /** @param {State} state */
  function draw(state) {
    const { scene } = state;
    element.open = scene.kernel;
    arrows.checked = scene.arrows;
    if (!scene.kernel) return;
    const under = kernelUnder(state, shownSide(scene));
    const pass = passIn(state, shownSide(scene))?.pass;
    content.classList.toggle("stale", !under);
    if (!under || !pass) {
      write(position, "Loading the kernels …");
      return;
    }
    const { brn } = pass.header;
    write(
      position,
      `Row ${under.row}, column ${under.column} of BRN’s ${brn.width} × ${brn.height} pixels. BRN receives a ${pass.header.prior === "binary" ? "rounded " : ""}map.`,
    );
    tabs.set(scene.window);
    fillGrid({ caption, body }, under.pixel, scene.window, under.exact ? 3 : 2);
    const isEdited = Math.abs(sigmoid(under.pixel.evidence) - under.pixel.refined) > 1e-3;
    for (const { key, output } of lines) write(output, number(under.pixel[key], LIMIT_DECIMALS));
    content.classList.toggle("edited", isEdited);
    const layers = ["prior", "refined"].map((map) => cachedLayer(pass, map, 0));
    const pictures = [
      photoCanvas(pass.photo, pass.header.photo, false),
      ...layers.map((layer) => layer && mapCanvas(layer, pass.header.photo)),
    ];
    closeUps.forEach(({ canvas }, index) => {
      const picture = pictures[index];
      if (picture)
        drawCloseUp(canvas, picture, brn, { column: under.column, row: under.row, n: under.pixel.n, reach: REACH });
    });
  }

  return { element, draw };
}

/**
 * @param {{caption: HTMLElement, body: HTMLElement}} grid
 * @param {Pixel} pixel
 * @param {string} gridKey
 * @param {number} decimals
 */
function fillGrid({ caption, body }, pixel, gridKey, decimals) {
  const [key, name, colours] = GRIDS.find(([gridName]) => gridName === gridKey) ?? GRIDS[0];
  const { n } = pixel;
  write(caption, `${name}, ${n} × ${n} around the pixel`);
  fill(body, n, () =>
    Array.from({ length: n }, () => make("tr", {}, ...Array.from({ length: n }, () => make("td", {})))),
  );
  const limit = pixel.coefficients.reduce((largest, v) => Math.max(largest, Math.abs(v)), 0) || 1;
  body.querySelectorAll("td").forEach((cell, d) => {
    const value = pixel[key][d] ?? 0;
    const colour =
      colours === "signed" ? colourOf(tables.signed, value, -limit, limit) : colourOf(tables.saliency, value, 0, 1);
    write(cell, number(value, decimals));
    cell.style.background = css(colour);
    cell.style.color = inkOn(colour);
    cell.classList.toggle("centre", d === (n * n) >> 1);
  });
}
