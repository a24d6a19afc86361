// The diagram of the paper, with the real maps in it: three levels of attention and a prediction for each look, memory from
// look to look, and at the end what sharpens the outlines. It is also the navigation: a click puts a map on the stage.

import { blank, choice, contextOf, fill, make, write } from "../dom.js";
import { number, signed } from "../numbers/format.js";
import { valueAt } from "../numbers/layers.js";
import { clamp } from "../numbers/places.js";
import { drawPicture, WHOLE_PHOTO } from "../stage/pictures.js";
import { cachedLayer, onScale } from "../stage/shown.js";
import { feedbackOf } from "../state/edits.js";
import { markerOf } from "../state/marker.js";
import { passIn, requestKey, shownSide, shownSlots, slotNames, stepsOf } from "../state/scene.js";
import vocabulary from "../vocabulary.js";
import { TITLES } from "./words.js";

/**
 * @typedef {import("../state/store.js").Store} Store
 * @typedef {import("../state/scene.js").State} State
 * @typedef {import("../numbers/pass.js").Pass} Pass
 */

/**
 * @typedef {Object} Cell
 * @property {string} map
 * @property {number} step
 * @property {number} row
 * @property {number} column
 * @property {HTMLButtonElement} button
 * @property {HTMLCanvasElement} canvas
 * @property {HTMLOutputElement} value
 */

const FINEST = 320;
/** Milliseconds until the last map has appeared; as in page.css. */
const ARRIVAL = 3000;
const SHARPEN = ["photo", "prior", "refinement", "refined"];

/**
 * @param {HTMLElement} element
 * @param {Store} store
 */
export function mountPipeline(element, store) {
  const sides = make("div", { class: "sides" });
  const grid = make("div", { class: "grid" });
  const looks = choice("Looks", lookChoices(), (value) => store.dispatch({ type: "steps", steps: Number(value) }));
  looks.element.dataset.testid = "looks";
  looks.element.title = "How often the network looks at the photo (T + 1)";
  element.append(make("div", { class: "above-grid" }, make("h2", {}, "How it was found"), sides, looks.element), grid);
  /** @type {Cell[]} */
  let cells = [];
  let drawnFor = "";

  /** @param {State} state */
  function build(state) {
    const { scene } = state;
    const side = shownSide(scene);
    const request = scene.slots[side] ?? scene.slots[0];
    const last = stepsOf(state, request);
    const pass = passIn(state, side)?.pass ?? null;
    const names = slotNames(state);
    const second = shownSlots(scene)[1];
    fill(sides, second ? names : [], () => (second ? [sideChoice(store, names, side)] : []));
    const input = sides.querySelectorAll("input")[side];
    if (input) input.checked = true;
    looks.set(String(last));
    looks.disable(state.capabilities.passes ? [] : lookChoices().map(({ value }) => value));
    const levels = pass?.header.levels ?? vocabulary.levels.map(({ name }) => name);
    fill(grid, [last, levels, cutBlocks(request)], () => {
      const built = makeCells(store, last, levels);
      cells = built.cells;
      grid.style.setProperty("--looks", String(last + 1));
      return built.children(cutBlocks(request));
    });
    const photo = pass?.header.photo ?? { width: 4, height: 3 };
    grid.style.setProperty("--ratio", String(clamp(photo.width / photo.height, 0.6, 2.2)));
    draw(state, pass, requestKey(request));
    choose(state, last);
  }

  /**
   * @param {State} state
   * @param {Pass | null} pass
   * @param {string} key
   */
  function draw(state, pass, key) {
    const fresh = `${key} ${Object.keys(pass?.arrays ?? {}).length}`;
    element.classList.toggle("stale", !pass);
    if (!pass || fresh === drawnFor) return;
    if (!drawnFor) arriveOnce(element);
    drawnFor = fresh;
    for (const { map, step, canvas, button } of cells) {
      const layer = map === "photo" ? null : cachedLayer(pass, map, step);
      button.classList.toggle("missing", map !== "photo" && !layer);
      button.disabled = map !== "photo" && !layer && pass.header.kernel_size > 0 && SHARPEN.includes(map) === false;
      const size = fittedCanvas(pass.header.photo);
      Object.assign(canvas, size);
      const settings = { opacity: 1, zoom: WHOLE_PHOTO, map: map === "refined" ? "refined" : map };
      if (layer || map === "photo") {
        const scaled = layer && onScale(layer, map, state);
        drawPicture(canvas, { photo: pass.photo, size: pass.header.photo, layer: scaled, ...settings });
      } else contextOf(canvas).clearRect(0, 0, canvas.width, canvas.height);
    }
  }

  /**
   * Mark the picture that the stage shows; the Tab key moves the focus to it.
   * @param {State} state
   * @param {number} last
   */
  function choose(state, last) {
    const { map, frames, step } = state.scene;
    const shownMaps = frames ?? [{ map: map === "result" ? "refined" : map, step: Math.min(step, last) }];
    const chosen = cells.filter((cell) =>
      shownMaps.some(
        (shownMap) => shownMap.map === cell.map && (cell.step < 0 || Math.min(shownMap.step, last) === cell.step),
      ),
    );
    for (const cell of cells) {
      cell.button.setAttribute("aria-pressed", String(chosen.includes(cell)));
      cell.button.tabIndex = cell === (chosen[0] ?? cells[0]) ? 0 : -1;
    }
    placeValues(cells, state);
  }

  grid.addEventListener("keydown", (event) => moveFocus(event, cells));
  const stop = store.subscribe((state, before) => {
    const { scene } = state;
    if (scene === before.scene && state.passes === before.passes) return;
    const onlyPoint =
      state.passes === before.passes && scene.slots === before.scene.slots && scene.map === before.scene.map;
    if (onlyPoint && scene.x !== before.scene.x && scene.step === before.scene.step) placeValues(cells, state);
    else build(state);
  });
  build(store.state);
  return stop;
}

/**
 * Write every map's value under the marker.
 * @param {Cell[]} cells
 * @param {State} state
 */
function placeValues(cells, state) {
  const pass = passIn(state, shownSide(state.scene))?.pass;
  const marker = markerOf(state, shownSide(state.scene));
  const pointed = state.scene.x >= 0;
  for (const { map, step, value } of cells) {
    const layer = pass && pointed ? cachedLayer(pass, map, Math.max(step, 0)) : null;
    const show = layer?.colours === "signed" ? signed : number;
    write(value, layer && marker ? show(valueAt(layer, marker.across, marker.down), 2) : "");
  }
}

const lookChoices = () =>
  Array.from({ length: vocabulary.maxSteps + 1 }, (_, T) => ({
    value: String(T),
    text: String(T + 1),
    testid: `looks-${T + 1}`,
  }));

/**
 * @param {Store} store
 * @param {string[]} names
 * @param {number} side
 */
function sideChoice(store, names, side) {
  const choices = names.map((text, index) => ({ value: String(index), text }));
  const element = choice("Maps of", choices, (value) =>
    store.dispatch({ type: "set", changes: { side: Number(value) } }),
  );
  element.set(String(side));
  return element.element;
}

/** @param {import("../state/scene.js").Request} request */
const cutBlocks = ({ edits }) => vocabulary.blocks.filter((block) => feedbackOf(edits, block) === 0).length;

/** @param {{width: number, height: number}} photo */
function fittedCanvas(photo) {
  const factor = FINEST / Math.max(photo.width, photo.height);
  return {
    width: Math.max(1, Math.round(photo.width * factor)),
    height: Math.max(1, Math.round(photo.height * factor)),
  };
}

/**
 * @param {Store} store
 * @param {number} last T
 * @param {string[]} levels
 */
function makeCells(store, last, levels) {
  const rows = [...levels, "prediction", "change"];
  const steps = Array.from({ length: last + 1 }, (_, step) => step);
  const cells = rows.flatMap((map, row) =>
    steps
      .filter((step) => map !== "change" || step > 0)
      .map((step) => makeCell(store, map, step, rowOf(map, row), step + 2)),
  );
  const sharpening = SHARPEN.map((map, index) =>
    makeCell(store, map, -1, index + 2 + Math.max(0, levels.length - 3), last + 3),
  );
  cells.push(...sharpening);
  /** @param {number} cut blocks whose memory is cut */
  const children = (cut) => [
    ...steps.map((step) => head(`look ${step + 1}`, `t = ${step}`, step + 2)),
    head("sharpen", "BRN", last + 3),
    ...rows.map((map, row) => side(map, rowOf(map, row), last)),
    ...cells.map(({ button }) => button),
    ...steps.slice(1).map((step) => memory(step, cut, levels.length + 3)),
  ];
  return { cells, children };
}

/**
 * Let the maps appear look by look. The class must go: elements that are shown again would repeat their animation.
 * @param {HTMLElement} element
 */
function arriveOnce(element) {
  element.classList.add("arriving");
  setTimeout(() => element.classList.remove("arriving"), ARRIVAL);
}

/**
 * The arrows of the memory lie between the predictions and what each look changed.
 * @param {string} map
 * @param {number} row
 */
const rowOf = (map, row) => row + (map === "change" ? 3 : 2);

/**
 * @param {string} text
 * @param {string} detail
 * @param {number} column
 */
const head = (text, detail, column) =>
  make("div", { class: "head", style: `grid-row: 1; grid-column: ${column}` }, text, make("small", {}, detail));

/**
 * @param {string} map
 * @param {number} row
 * @param {number} last
 */
const side = (map, row, last) =>
  make(
    "div",
    { class: "side", style: `grid-row: ${row}; grid-column: 1`, hidden: map === "change" && last === 0 },
    TITLES[map] ?? map,
    make(
      "small",
      {},
      map.startsWith("conv") ? `attention ${map}` : map === "prediction" ? "prediction" : "by this look",
    ),
  );

/**
 * The arrow from one look to the next.
 * @param {number} step
 * @param {number} cut
 * @param {number} row
 */
function memory(step, cut, row) {
  const state = cut === 0 ? "memory" : cut === vocabulary.blocks.length ? "memory cut" : "memory partly cut";
  const style = `grid-row: ${row}; grid-column: ${step + 1} / ${step + 3}`;
  return make(
    "div",
    { class: `memory${cut ? " cut" : ""}`, style, title: `What look ${step} attended to is given to look ${step + 1}` },
    state,
  );
}

/**
 * @param {Store} store
 * @param {string} map
 * @param {number} step −1 for what all looks share
 * @param {number} row
 * @param {number} column
 * @returns {Cell}
 */
function makeCell(store, map, step, row, column) {
  const canvas = blank(FINEST, FINEST * 0.75);
  canvas.setAttribute("aria-hidden", "true");
  const value = make("output", { "aria-live": "off" });
  const name = TITLES[map] ?? map;
  const label = step < 0 ? `${name}${map === "photo" ? "" : " (BRN)"}` : `${name}, look ${step + 1}`;
  const click = () => store.dispatch({ type: "select", map, step: step < 0 ? store.state.scene.step : step });
  const button = make("button", {
    type: "button",
    class: "cell",
    "data-map": map,
    "data-step": step,
    style: `grid-row: ${row}; grid-column: ${column}`,
    click,
  });
  button.append(make("span", { class: "unseen" }, label), canvas, value);
  if (step < 0) button.append(make("span", { class: "name", "aria-hidden": "true" }, name));
  return { map, step, row, column, button, canvas, value };
}

/**
 * The arrow keys walk through the grid.
 * @param {KeyboardEvent} event
 * @param {Cell[]} cells
 */
function moveFocus(event, cells) {
  const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  const from = cells.find(({ button }) => button === document.activeElement);
  if (!move || !from) return;
  event.preventDefault();
  const [down = 0, right = 0] = move;
  const ahead = cells.filter((cell) => {
    const [rows, columns] = [cell.row - from.row, cell.column - from.column];
    return down ? Math.sign(rows) === down && columns === 0 : Math.sign(columns) === right && rows === 0;
  });
  const distance = (/** @type {Cell} */ cell) => Math.abs(cell.row - from.row) + Math.abs(cell.column - from.column);
  const next = ahead.sort((first, second) => distance(first) - distance(second))[0];
  next?.button.focus();
  next?.button.click();
}
